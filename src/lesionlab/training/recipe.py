"""Recipes: every setting of a training run, validated, read from YAML."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lesionlab.data.colour import Colour
from lesionlab.diagnoses import CODES
from lesionlab.errors import UsageError
from lesionlab.files import read_text, write_text
from lesionlab.training.precision import Precision, native_precision

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Recipe(BaseModel):
    """The settings of one training run. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # the network
    architecture: str = "mobilenetv2"
    mode: Literal["finetune", "frozen"] = "finetune"
    drop_rate: Annotated[float, Field(ge=0, lt=1)] = 0.0
    frozen_layers: Annotated[int, Field(ge=0)] = 0
    """Layers at the input end (the stem is the first) whose weights stay as they came; their norms still adapt."""

    # the images
    colour: Colour = "rgb"
    size: Annotated[int, Field(ge=32, le=1024)] = 224
    train_sizes: tuple[Annotated[int, Field(ge=32, le=1024)], ...] = ()
    """Sides used during training, spread evenly over the epochs; empty: `size` throughout."""
    site: str = ""
    """Only images of this body site; empty: all."""
    classes: tuple[Literal[CODES], ...] = ()  # type: ignore[valid-type]
    """Only images of these diagnoses, two or more: a specialist; empty: all."""
    augmentation: Literal["none", "paper", "mild", "strong", "travel"] = "strong"
    colour_jitter: Share = 0.0
    photo_aspect: Annotated[float, Field(gt=0.2, lt=5)] = 1.0
    """Width over height of the photographs before they were squashed to squares."""

    # the optimisation
    epochs: Annotated[int, Field(ge=1)] = 10
    batch_size: Annotated[int, Field(ge=2)] = 32
    sampler: Literal["shuffled", "sqrt", "balanced"] = "shuffled"
    """Classes drawn as often as they are, by the square root of it, or all equally often."""
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: Positive = 5e-4
    head_rate: Positive = 5.0
    """Learning rate of the new head, as a multiple of the backbone's."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.5
    schedule: Literal["cosine", "constant"] = "cosine"
    clip_norm: Annotated[float, Field(ge=0)] = 5.0
    """Largest gradient norm; 0 turns clipping off."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.998
    """Decay of the averaged weights that are validated and kept; 0 turns averaging off."""

    # the loss
    loss: Literal["cross_entropy", "weighted", "sqrt_weighted", "focal", "logit_adjusted"] = "logit_adjusted"
    tau: Annotated[float, Field(ge=0)] = 1.0
    focal_gamma: Annotated[float, Field(ge=0)] = 2.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.05
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Alpha of the beta distribution that images are mixed with; 0 turns mixing off."""

    # choosing, on validation images only
    select_on: Literal["balanced_accuracy", "macro_f1", "loss"] = "balanced_accuracy"
    validate_every: Annotated[int, Field(ge=1)] = 1
    """Epochs from one validation to the next; the last epoch is always validated."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Epochs without a better validation figure before stopping; 0 never stops early."""
    prior: float | Literal["as_trained", "auto"] = "as_trained"
    """How much of the class prior an answer uses: 0 none, 1 all; auto: chosen on validation."""
    views: Literal[1, 2, 4, 8] = 1
    """Flipped and turned views that a prediction averages."""

    # the machine
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    precision: Precision = Field(default_factory=native_precision)
    """Of the network's arithmetic in training; what this machine computes fast, unless it is named."""
    channels_last: bool = True
    deterministic: bool = True
    checkpoint_minutes: Positive = 10.0

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        twice = {"balanced": ("weighted", "sqrt_weighted", "logit_adjusted"), "sqrt": ("weighted", "sqrt_weighted")}
        if self.loss in twice.get(self.sampler, ()):
            raise ValueError(
                f"sampler {self.sampler} and loss {self.loss} correct for the same imbalance twice: choose one"
            )
        if self.mode == "frozen" and self.augmentation != "none":
            raise ValueError("mode frozen caches features of unchanged images: set augmentation to none")
        if self.mode == "frozen" and (self.loss not in ("cross_entropy", "weighted") or self.sampler != "shuffled"):
            raise ValueError("mode frozen fits a logistic regression: set loss to cross_entropy or weighted")
        if len(set(self.classes)) != len(self.classes) or len(self.classes) == 1:
            raise ValueError("classes names at least two different diagnoses, or none for all")
        if self.colour == "gray" and self.colour_jitter:
            raise ValueError("colour gray has no channels to jitter: set colour_jitter to 0")
        if self.mixup and self.batch_size % 2:
            raise ValueError("mixup pairs images: the batch size must be even")
        return self

    @property
    def sampler_power(self) -> float:
        """The power of a class's size that its images are drawn in proportion to."""
        return {"shuffled": 1.0, "sqrt": 0.5, "balanced": 0.0}[self.sampler]

    def validates(self, epoch: int) -> bool:
        """Return whether `epoch`, counted from 0, ends with a validation."""
        return (epoch + 1) % self.validate_every == 0 or epoch + 1 == self.epochs

    def size_at(self, epoch: int) -> int:
        """Return the training image side in `epoch`, counted from 0."""
        if not self.train_sizes:
            return self.size
        return self.train_sizes[min(len(self.train_sizes) - 1, epoch * len(self.train_sizes) // self.epochs)]


def packaged_recipes() -> list[str]:
    """Return the names of the recipes that are installed with the package."""
    folder = resources.files("lesionlab.training") / "recipes"
    return sorted(Path(item.name).stem for item in folder.iterdir() if item.name.endswith(".yaml"))


def load_recipe(name: str, settings: Sequence[str] = ()) -> Recipe:
    """Return a packaged recipe by name, or one from a YAML file, with `key=value` settings applied.

    Raises `UsageError` for an unknown recipe, an unknown key (with the nearest known one) or a
    value of the wrong kind.
    """
    if name in packaged_recipes():
        text = (resources.files("lesionlab.training") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    elif name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise UsageError(f"{name}: no such recipe file", "check the path")
        text = read_text(Path(name))
    else:
        raise UsageError(f"unknown recipe {name!r}", f"installed are {', '.join(packaged_recipes())}, or name a .yaml")
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"{name}: not valid YAML: {str(error).splitlines()[0]}", "mend the file") from None
    if not isinstance(values, dict):
        raise UsageError(f"{name}: a recipe is a list of `key: value` lines", "see the packaged recipes")
    return validate(values | parse_settings(settings), name)


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Return {key: value} of `key=value` texts; values are read as YAML."""
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: an equals sign is missing", "write --set key=value")
        try:
            values[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UsageError(f"--set {setting}: the value is not valid YAML", "write --set key=value") from None
    return values


def validate(values: Mapping[str, Any], name: str) -> Recipe:
    """Return the recipe that `values` describe; `UsageError` names every wrong key and value."""
    try:
        return Recipe.model_validate(_floats(values))
    except ValidationError as error:
        faults = [_fault(item["loc"], item["type"], item["msg"]) for item in error.errors()]
        raise UsageError(f"recipe {name}: {'; '.join(faults)}", "see docs/recipes.md for every key") from None


def _floats(values: Mapping[str, Any]) -> dict[str, Any]:
    """Read 3e-4, which YAML 1.1 takes for text, as the number it is meant to be."""
    numeric = {n for n, f in Recipe.model_fields.items() if "float" in str(f.annotation)}

    def number(value: Any) -> Any:
        try:
            return float(value)
        except ValueError:
            return value

    return {k: number(v) if k in numeric and isinstance(v, str) else v for k, v in values.items()}


def _fault(location: tuple[int | str, ...], kind: str, message: str) -> str:
    key = str(location[0]) if location else ""
    if kind != "extra_forbidden":
        return f"{key}: {message}" if key else message.removeprefix("Value error, ")
    near = difflib.get_close_matches(key, Recipe.model_fields, n=1)
    return f"unknown key {key!r}" + (f" (did you mean {near[0]!r}?)" if near else "")


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write every setting as YAML, atomically."""
    write_text(path, yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
