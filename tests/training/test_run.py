"""A run from source to model: what it writes, what it refuses, and that it can be stopped and continued."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import Log

from lesionlab.data import splits
from lesionlab.data.cases import read_cases
from lesionlab.data.packs import Pack
from lesionlab.data.sources import load_source
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError
from lesionlab.files import lock, read_json
from lesionlab.models.bundle import Bundle, read_bundle
from lesionlab.prediction.runtime import Session
from lesionlab.report.evaluate_model import evaluate_model
from lesionlab.report.parts import Images
from lesionlab.training import run
from lesionlab.training.choosing import PRIOR_SHARES, choose_prior, combine_views, prior_offset, validation_figures
from lesionlab.training.material import Job, Material, choose_split, prepare
from lesionlab.training.recipe import Recipe, load_recipe
from lesionlab.training.signals import RunStoppedError

RECORDS = {
    "run.json", "recipe.yaml", "split.csv", "cases.csv", "history.jsonl", "timing.jsonl", "curves.png",
    "checkpoint.pt", "model", "reliability.png", ".lock",
}  # fmt: skip


def recipe(*settings: str) -> Recipe:
    return load_recipe("tiny", ["size=32", "epochs=2", "views=1", *settings])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def job(synthetic: Path, tmp_path: Path, cache: Path) -> Job:
    """A job of seconds."""
    return Job(synthetic, tmp_path / "run", recipe(), weights="none", cache=cache)


@dataclass(frozen=True)
class Finished:
    """A finished run."""

    job: Job
    described: dict[str, Any]


@pytest.fixture(scope="module")
def finished(synthetic: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    job = Job(synthetic, tmp_path_factory.mktemp("finished") / "run", recipe(), weights="none", cache=cache)
    return Finished(job, run.train(job, Log()))


def test_a_run_folder_describes_itself(finished: Finished) -> None:
    out, described = finished.job.out, finished.described
    assert {path.name for path in out.iterdir()} == RECORDS
    assert described == read_json(out / "run.json")
    assert described["status"] == "finished" and described["data"]["source"] == "synthetic"
    assert described["recipe"] == finished.job.recipe.model_dump(mode="json")
    assert {"python", "torch", "timm", "numpy"} <= set(described["versions"])
    assert load_recipe(str(out / "recipe.yaml")) == finished.job.recipe
    split, cases = splits.read_split(out / "split.csv"), read_cases(out / "cases.csv")
    assert split.fingerprint == described["split"]["fingerprint"]
    assert described["split"]["images"] == {part: len(split.select(cases, part)) for part in ("test", "train", "val")}
    assert [case.image_id for case in cases] == [case.image_id for case in load_source(finished.job.data).cases]
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in history] == [0, 1] and described["epochs"] == 2
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert described["training"]["seconds"] > 0


def validation(job: Job) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return a run's validation pixels and labels, and its bundle."""
    material = prepare(job)
    return material.pack.pixels[material.validate], material.labels[material.validate], read_bundle(job.out)


def answers(bundle: Bundle, pixels: np.ndarray) -> np.ndarray:
    """Return the calibrated probabilities of a model of one view."""
    assert bundle.decisions is not None
    as_trained = combine_views(Session(bundle).logits(pixels)[None], np.array(bundle.prior_offset))
    return bundle.decisions.calibrated(as_trained)


def test_the_model_on_disk_answers_as_run_json_says(finished: Finished) -> None:
    pixels, truth, bundle = validation(finished.job)
    assert bundle.classes == CODES and bundle.size == 32 and bundle.architecture == "test_resnet"
    assert bundle.training["split"] == finished.described["split"]
    figures = validation_figures(truth, answers(bundle, pixels))
    assert figures == pytest.approx(finished.described["validation"], abs=1e-3)


def test_a_run_in_bf16_leaves_a_model_in_fp32(job: Job) -> None:
    job = replace(job, recipe=recipe("precision=bf16", "epochs=1", "ema=0", "prior=as_trained"))
    described = run.train(job, Log())
    pixels, truth, bundle = validation(job)
    assert bundle.agreement < 1e-4
    figures = validation_figures(truth, answers(bundle, pixels))
    assert figures["nll"] == pytest.approx(described["validation"]["nll"], abs=0.02)


def test_a_run_is_never_overwritten(finished: Finished) -> None:
    before = (finished.job.out / "run.json").read_bytes()
    with pytest.raises(UsageError, match="a run is here already") as caught:
        run.train(finished.job, Log())
    assert "--resume" in caught.value.hint
    assert (finished.job.out / "run.json").read_bytes() == before


def test_resuming_a_finished_run_returns_at_once(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "prepare", lambda *_: pytest.fail("it was prepared anew"))
    assert run.train(replace(finished.job, resume=True), Log()) == finished.described


def test_resuming_with_another_recipe_is_refused(finished: Finished) -> None:
    other = replace(finished.job, resume=True, recipe=recipe("epochs=3", "seed=4"))
    with pytest.raises(UsageError, match=r"other settings \(epochs, seed\)"):
        run.train(other, Log())


def test_a_folder_in_use_is_refused(finished: Finished) -> None:
    with lock(finished.job.out, "the run folder"), pytest.raises(DataError, match="the run folder is in use"):
        run.train(replace(finished.job, resume=True), Log())


def test_a_folder_of_something_else_is_refused(job: Job) -> None:
    job.out.mkdir()
    (job.out / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="not empty and holds no run"):
        run.train(job, Log())
    assert (job.out / "thesis.tex").read_text() == "years of work"


def stop_in(job: Job, epoch: int, position: int) -> None:
    """Train and send this process SIGTERM in the middle."""

    def after(at_epoch: int, at_position: int) -> None:
        if (at_epoch, at_position) == (epoch, position):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(RunStoppedError):
        run.train(job, Log(after))


def test_a_stopped_run_continues_to_the_same_model(finished: Finished, job: Job) -> None:
    stop_in(job, 1, 1)
    assert read_json(job.out / "run.json")["status"] == "training"
    assert not (job.out / "model").exists()
    described = run.train(replace(job, resume=True), Log())
    assert described["validation"] == finished.described["validation"]
    for name in ("history.jsonl", "split.csv", "model/model.safetensors"):
        assert (job.out / name).read_bytes() == (finished.job.out / name).read_bytes()
    assert len((job.out / "timing.jsonl").read_text().splitlines()) == 2


def test_a_run_is_not_continued_on_other_images(job: Job, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(job.data, data)
    job = replace(job, data=data)
    stop_in(job, 0, 1)
    first = sorted(data.rglob("*.jpg"))[0]
    shutil.copyfile(sorted(data.rglob("*.jpg"))[1], first)
    with pytest.raises(DataError, match="not the images that the run began with"):
        run.train(replace(job, resume=True), Log())


def test_missing_and_damaged_images_are_named_or_left_out(job: Job, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(job.data, data)
    first, second, *_ = sorted(data.rglob("*.jpg"))
    first.unlink()
    job = replace(job, data=data)
    with pytest.raises(DataError, match=f"1 labelled images are missing: {first.stem}") as caught:
        prepare(job)
    assert "--skip-bad" in caught.value.hint
    second.write_bytes(b"\xff\xd8 no image")
    material = prepare(replace(job, skip_bad=True))
    assert [problem.image_id for problem in material.pack.left_out] == [second.stem]
    assert {first.stem, second.stem}.isdisjoint(case.image_id for case in material.pack.cases)
    assert not set(material.train) & set(material.validate)


def test_only_one_site_where_the_recipe_names_one(job: Job) -> None:
    site = next(case.site for case in load_source(job.data).cases if case.site)
    everywhere, there = (
        prepare(replace(job, split="paper")),
        prepare(replace(job, recipe=recipe(f"site={site}"), split="paper")),
    )
    assert there.split.fingerprint == everywhere.split.fingerprint
    assert {there.pack.cases[row].site for row in (*there.train, *there.validate)} == {site}
    with pytest.raises(DataError, match="no image from body site 'moon'"):
        prepare(replace(job, recipe=recipe("site=moon")))


def test_a_specialist_learns_and_answers_its_diagnoses_only(job: Job) -> None:
    described = run.train(replace(job, recipe=recipe("classes=[mel, nv]", "validate_every=2")), Log())
    bundle = read_bundle(job.out)
    assert described["status"] == "finished" and bundle.training["recipe"]["classes"] == ["mel", "nv"]
    assert [offset < -50 for offset in bundle.prior_offset] == [code not in ("mel", "nv") for code in CODES]
    found = evaluate_model(job.out, Images(job.data, cache=job.cache), "test", resamples=0).result
    assert found["classes_in_truth"] == ["mel", "nv"]
    assert sum(sum(row) for row in found["confusion"]["counts"]) == found["images"]
    assert {row["predicted"] for code, row in found["per_class"].items() if code not in ("mel", "nv")} == {0}
    history = [json.loads(line) for line in (job.out / "history.jsonl").read_text().splitlines()]
    assert ["val_loss" in row for row in history] == [False, True]
    assert history[1]["learning_rate"] > 0


def test_a_specialist_is_judged_among_its_diagnoses_while_it_trains(job: Job) -> None:
    settings = ("classes=[mel, nv]", "prior=as_trained", "precision=fp32", "views=1")
    described = run.train(replace(job, recipe=recipe(*settings)), Log())
    history = [json.loads(line) for line in (job.out / "history.jsonl").read_text().splitlines()]
    judged = max(row["val_balanced_accuracy"] for row in history)
    assert judged == pytest.approx(described["validation"]["balanced_accuracy"]) and judged >= 0.5


def test_a_split_of_other_images_is_refused(job: Job, tmp_path: Path) -> None:
    split = prepare(job).split
    more = splits.Split(split.protocol, split.seed, {**split.parts, "stranger": "train"})
    splits.write_split(tmp_path / "more.csv", more)
    with pytest.raises(DataError, match="1 images of the split are not in it: stranger"):
        prepare(replace(job, split=str(tmp_path / "more.csv")))


def test_the_split_is_the_one_asked_for(job: Job, tmp_path: Path) -> None:
    cases = load_source(job.data).cases
    splits.write_split(tmp_path / "folds.csv", splits.kfold(cases, 3))
    splits.write_split(tmp_path / "own.csv", splits.grouped(cases, 99))
    tied = (cases[0].image_id, cases[-1].image_id)

    def chosen(split: str, fold: int | None = None, duplicates: tuple[tuple[str, ...], ...] = ()) -> str:
        return choose_split(replace(job, split=split, fold=fold, duplicates=duplicates), cases).fingerprint

    assert chosen("paper") == splits.paper(cases, 0).fingerprint
    assert chosen("grouped") == splits.grouped(cases, 0).fingerprint
    assert chosen("grouped", duplicates=(tied,)) == splits.grouped(cases, 0, [tied]).fingerprint
    assert chosen(str(tmp_path / "own.csv")) == splits.grouped(cases, 99).fingerprint
    assert chosen(str(tmp_path / "folds.csv"), 1) == splits.kfold(cases, 3).fold(1).fingerprint
    for split, fold, message in [
        ("papr", None, "neither a protocol nor a file"),
        (str(tmp_path / "folds.csv"), None, "has no train part"),
        (str(tmp_path / "folds.csv"), 3, "fold 3 does not exist"),
        (str(tmp_path / "own.csv"), 0, "has no folds"),
    ]:
        with pytest.raises(UsageError, match=message):
            chosen(split, fold)


def test_a_frozen_network_gets_a_fitted_head(job: Job) -> None:
    job = replace(job, recipe=recipe("mode=frozen", "augmentation=none", "loss=weighted"))
    described = run.train(job, Log())
    assert described["status"] == "finished" and len(described["penalties_tried"]) > 3
    pixels, truth, bundle = validation(job)
    # The features were read in bf16, the model answers in fp32.
    figures = validation_figures(truth, answers(bundle, pixels))
    assert figures["nll"] == pytest.approx(described["validation"]["nll"], abs=0.05)


def test_a_frozen_network_needs_every_class(job: Job, tmp_path: Path) -> None:
    cases = load_source(job.data).cases
    split = splits.grouped(cases)
    parts = {case.image_id: "val" if case.dx == "df" else split.parts[case.image_id] for case in cases}
    splits.write_split(tmp_path / "no_df.csv", splits.Split("grouped", 0, parts))
    job = replace(
        job, split=str(tmp_path / "no_df.csv"), recipe=recipe("mode=frozen", "augmentation=none", "loss=weighted")
    )
    with pytest.raises(DataError, match="no training image shows df"):
        run.train(job, Log())


def test_prior_offsets_turn_what_is_left_of_the_prior_into_what_is_wanted() -> None:
    counts = np.array([10, 20, 30, 5, 40, 200, 15])
    log_prior = np.log(counts / counts.sum())
    for settings, kept in [
        ({"loss": "cross_entropy"}, 1.0),
        ({"loss": "weighted"}, 0.0),
        ({"loss": "logit_adjusted", "tau": 0.75}, 0.25),
        ({"loss": "focal", "sampler": "balanced"}, 0.0),
    ]:
        for wanted in (0.0, 0.5, 1.0):
            offset = prior_offset(Recipe.model_validate(settings), wanted, counts)
            assert offset.sum() == pytest.approx(0, abs=1e-9)
            left = kept * log_prior + offset
            assert left - left.mean() == pytest.approx(wanted * (log_prior - log_prior.mean()))


def test_views_are_averaged_as_probabilities() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 5, 7)).astype(np.float32)
    offset = np.linspace(-1, 1, 7)
    odds = np.exp(logits + offset)
    assert combine_views(logits, offset) == pytest.approx((odds / odds.sum(-1, keepdims=True)).mean(0))
    assert np.isfinite(combine_views(logits * 1e4, offset)).all()


def test_the_prior_is_chosen_on_validation() -> None:
    """Answers that know only a rare class' likelihood are best without the prior, answers on common ones with it."""
    labels = np.array([5] * 80 + [4] * 10 + [5] * 8 + [4] * 2)
    material = Material("synthetic", Pack(np.zeros((100, 1, 1, 3), np.uint8), (), ""), splits.Split("grouped", 0, {}),
                        labels, np.eye(7), np.arange(90), np.arange(90, 100))  # fmt: skip
    logits = np.full((1, 10, 7), -9.0)
    logits[0, :8, 5], logits[0, 8:, 5] = 1.0, 0.5
    logits[0, :8, 4], logits[0, 8:, 4] = 0.0, 0.9
    unweighted = Recipe(loss="weighted", prior="auto")
    share, tried = choose_prior(unweighted, logits.astype(np.float32), material)
    assert [row["share"] for row in tried] == list(PRIOR_SHARES) and share == 0.0
    assert tried[0]["balanced_accuracy"] == 1 > tried[-1]["balanced_accuracy"]
    assert choose_prior(Recipe(loss="weighted", prior="as_trained"), logits, material) == (0.0, [])
    assert choose_prior(Recipe(loss="weighted", prior=0.3), logits, material) == (0.3, [])


CLI = "import sys; from lesionlab.cli.main import main; sys.exit(main())"


def arguments(job: Job, *settings: str) -> list[str]:
    changes = [word for setting in ("size=32", *settings) for word in ("--set", setting)]
    places = ["--data", str(job.data), "--out", str(job.out), "--cache", str(job.cache)]
    return ["train", *places, "--recipe", "tiny", "--weights", "none", *changes]


def processor_seconds(pid: int) -> float:
    """Return what a process has used so far, from proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no proc file system")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_soon_with_its_checkpoint(job: Job, number: signal.Signals) -> None:
    command = [sys.executable, "-c", CLI, *arguments(job, "epochs=100000")]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert child.stderr
    while "epoch" not in child.stderr.readline():
        assert child.poll() is None
    before = processor_seconds(child.pid)
    child.send_signal(number)
    rest = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    # Of the processor, not of the clock: the machine may have other work.
    assert used.ru_utime + used.ru_stime - before < 5
    assert child.returncode == 128 + number, rest
    assert "Traceback" not in rest and "--resume" in rest
    assert (job.out / "checkpoint.pt").is_file()
    assert read_json(job.out / "run.json")["status"] == "training"


def launch_two(job: Job, script: Path, *more: str) -> str:
    """Run the command in two processes and return what they print."""
    script.write_text(CLI)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true"}
    command = [*launch, *arguments(job, "epochs=1", "views=1"), *more]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_two_processes_leave_one_run(job: Job, tmp_path: Path) -> None:
    assert launch_two(job, tmp_path / "train.py").count("model:") == 1
    assert {path.name for path in job.out.iterdir()} == RECORDS
    assert read_json(job.out / "run.json")["status"] == "finished"
    assert len((job.out / "history.jsonl").read_text().splitlines()) == 1


def test_two_processes_both_find_a_run_finished(finished: Finished, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    job = replace(finished.job, out=tmp_path / "run")
    first = launch_two(job, script)
    assert launch_two(job, script, "--resume") == first


def test_progress_of_packing_is_told(job: Job, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    tell: Callable[[str, int, int], None] = lambda *step: told.append(step)  # noqa: E731
    material = prepare(replace(job, cache=tmp_path / "fresh"), tell)
    count = len(material.pack.cases)
    assert told == [("packing images", n, count) for n in range(1, count + 1)]


def further(folder: Path, source: Path) -> Path:
    """Return a second source, of whose images only melanoma and keratosis are known."""
    listed, rows = load_source(source).cases, ["image_id,melanoma,seborrheic_keratosis"]
    (folder / "images").mkdir(parents=True)
    for case in listed:
        shutil.copy(case.path, folder / "images" / f"other_{case.image_id}{Path(case.path).suffix}")
        rows.append(f"other_{case.image_id},{int(case.dx == 'mel')},{int(case.dx == 'bkl')}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_a_further_source_trains_but_for_a_fifth(job: Job, synthetic: Path, tmp_path: Path) -> None:
    other = further(tmp_path / "other", synthetic)
    job = replace(job, also=(other,), recipe=recipe("epochs=1"))
    described = run.train(job, Log())
    split = splits.read_split(job.out / "split.csv")
    kept = {name for name, part in split.parts.items() if part == splits.KEPT_OUT}
    assert described["split"]["images"]["kept_out"] == len(kept) > 0
    assert described["data"]["source"] == "synthetic, isic2017"
    assert all(name.startswith("other_") for name in kept)
    assert {part for name, part in split.parts.items() if name.startswith("other_")} == {"train", splits.KEPT_OUT}
    found = evaluate_model(job.out, Images(other), splits.KEPT_OUT, resamples=0)
    assert found.result["images"] == len(kept) and "melanoma" in found.result["questions"]
    assert (found.looks, found.trained_on) == (0, 0)
    whole = evaluate_model(job.out, Images(job.data), "test", resamples=0)
    assert whole.result["metrics"]["accuracy"]["value"] is not None and whole.looks == 1
    with pytest.raises(UsageError, match="whole labels"):
        prepare(replace(job, recipe=recipe("mixup=0.2"), out=tmp_path / "next"))
