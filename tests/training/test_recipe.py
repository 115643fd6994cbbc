"""Recipes are complete, strict and readable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from lesionlab.errors import EXIT_USAGE, UsageError
from lesionlab.models.backbones import PRESETS
from lesionlab.training.recipe import Recipe, load_recipe, packaged_recipes, parse_settings, write_recipe


def test_the_packaged_recipes_are_there() -> None:
    assert {"best", "cpu", "paper", "tiny"} <= set(packaged_recipes())


@pytest.mark.parametrize("name", packaged_recipes())
def test_a_packaged_recipe_is_valid_and_survives_its_file(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert recipe.architecture in PRESETS
    write_recipe(tmp_path / "recipe.yaml", recipe)
    assert load_recipe(str(tmp_path / "recipe.yaml")) == recipe


def test_the_papers_recipe_is_the_papers() -> None:
    recipe = load_recipe("paper")
    assert (recipe.batch_size, recipe.epochs, recipe.size) == (64, 30, 224)
    assert (recipe.optimizer, recipe.loss, recipe.augmentation) == ("adam", "cross_entropy", "paper")
    assert (recipe.ema, recipe.label_smoothing, recipe.mixup, recipe.views) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("learning_rate=3e-4", "learning_rate", 3e-4),
        ("learning_rate=1.0e-4", "learning_rate", 1e-4),
        ("learning_rate = 1", "learning_rate", 1.0),
        ("train_sizes=[64, 96]", "train_sizes", (64, 96)),
        ("train_sizes=[]", "train_sizes", ()),
        ("channels_last=false", "channels_last", False),
        ("prior=auto", "prior", "auto"),
        ("prior=0.5", "prior", 0.5),
        ("site=lower extremity", "site", "lower extremity"),
        ("architecture=test_vit", "architecture", "test_vit"),
        ("views=8", "views", 8),
    ],
)
def test_settings_replace_values(setting: str, key: str, value: object) -> None:
    recipe = load_recipe("tiny", [setting])
    assert getattr(recipe, key) == value
    assert recipe.model_dump(exclude={key}) == load_recipe("tiny").model_dump(exclude={key})


def test_the_last_setting_wins() -> None:
    assert load_recipe("tiny", ["epochs=3", "epochs=4"]).epochs == 4


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("learning_rat=1", r"unknown key 'learning_rat' \(did you mean 'learning_rate'\?\)"),
        ("xyz=1", r"unknown key 'xyz'$"),
        ("epochs=0", "epochs: .*greater than or equal to 1"),
        ("epochs=many", "epochs: .*valid integer"),
        ("learning_rate=fast", "learning_rate: .*valid number"),
        ("learning_rate=0", "learning_rate: .*greater than 0"),
        ("learning_rate=.nan", "learning_rate: .*finite"),
        ("learning_rate=inf", "learning_rate: .*finite"),
        ("prior=nan", "prior"),
        ("size=16", "size: .*greater than or equal to 32"),
        ("train_sizes=[16]", "train_sizes: .*greater than or equal to 32"),
        ("views=3", "views: .*1, 2, 4 or 8"),
        ("loss=hinge", "loss: .*'cross_entropy'"),
        ("seed=-1", "seed"),
        ("sampler=balanced", "correct for the same imbalance twice"),
        ("mode=frozen", "set augmentation to none"),
        ("mode=frozen,augmentation=none", "set loss to cross_entropy or weighted"),
        ("classes=[mel]", "at least two different diagnoses"),
        ("classes=[mel, mel]", "at least two different diagnoses"),
        ("classes=[mel, mole]", "classes: .*'akiec'"),
        ("validate_every=0", "validate_every"),
        ("frozen_layers=-1", "frozen_layers"),
    ],
)
def test_wrong_settings_are_named_with_their_key(setting: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe("tiny", [setting] if "[" in setting else setting.split(","))
    assert caught.value.exit_code == EXIT_USAGE
    assert re.search(message, caught.value.message)
    assert "\n" not in caught.value.message


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(UsageError, match=r"size: .*; epochs: "):
        load_recipe("tiny", ["epochs=0", "size=1"])


def test_mixing_needs_pairs() -> None:
    assert load_recipe("tiny", ["mixup=0.2", "batch_size=10"]).mixup == 0.2
    with pytest.raises(UsageError, match="the batch size must be even"):
        load_recipe("tiny", ["mixup=0.2", "batch_size=9"])


@pytest.mark.parametrize("setting", ["epochs", "epochs=[1", "epochs=a: b: c"])
def test_settings_that_are_no_key_and_value_are_refused(setting: str) -> None:
    with pytest.raises(UsageError, match="--set epochs"):
        parse_settings([setting])


def test_a_value_may_hold_an_equals_sign() -> None:
    assert parse_settings(["site=a=b"]) == {"site": "a=b"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"epochs: [1", "not valid YAML"),
        (b"- epochs\n", "a recipe is a list of"),
        (b"just text", "a recipe is a list of"),
        (b"1: 2\n", "recipe .*broken"),
        (b"epochs: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        (b"architecture: 3\n", "architecture: "),
    ],
)
def test_a_broken_recipe_file_is_a_usage_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        load_recipe(str(path))


def test_an_empty_recipe_file_is_the_default_recipe(tmp_path: Path) -> None:
    (tmp_path / "empty.yml").write_text("# nothing\n")
    assert load_recipe(str(tmp_path / "empty.yml")) == Recipe()


@pytest.mark.parametrize(
    ("name", "message"), [("papr", "unknown recipe 'papr'"), ("none/there.yaml", "no such recipe file")]
)
def test_recipes_that_are_not_there(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_recipe(name)


def test_sizes_are_spread_evenly_over_the_epochs() -> None:
    recipe = Recipe(epochs=10, train_sizes=(128, 128, 128, 160, 192))
    assert [recipe.size_at(epoch) for epoch in range(10)] == [128] * 6 + [160] * 2 + [192] * 2
    assert [Recipe(epochs=2, train_sizes=(64, 96, 128)).size_at(epoch) for epoch in range(2)] == [64, 96]
    assert Recipe(size=96).size_at(7) == 96


def test_validation_comes_every_few_epochs_and_last() -> None:
    recipe = Recipe(epochs=7, validate_every=3)
    assert [epoch for epoch in range(7) if recipe.validates(epoch)] == [2, 5, 6]
    assert all(Recipe(epochs=3).validates(epoch) for epoch in range(3))


def test_a_square_root_sampler_corrects_half_the_imbalance() -> None:
    assert Recipe(sampler="sqrt", loss="logit_adjusted").sampler_power == 0.5
    with pytest.raises(UsageError, match="sampler sqrt and loss weighted correct for the same imbalance"):
        load_recipe("tiny", ["sampler=sqrt", "loss=weighted"])


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Recipe().epochs = 3  # type: ignore[misc]
