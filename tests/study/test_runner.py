"""What the runner takes up, leaves, and notes; training, combining and judging are stood in for by quick writers."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from small_grid import content, load

from lesionlab.data.splits import read_split
from lesionlab.errors import DataError, ModelError, UsageError
from lesionlab.files import lock, read_json, write_json
from lesionlab.report.parts import Images
from lesionlab.study import runner, state
from lesionlab.study.runner import Study, run_study
from lesionlab.training.signals import RunStoppedError


@dataclass
class Screen:
    """Remembers what was said."""

    lines: list[str] = field(default_factory=list)

    def begin(self, title: str, epochs: int) -> None:
        self.lines.append(title)

    def line(self, text: str) -> None:
        self.lines.append(text)

    def counted(self, what: str, done: int, total: int) -> None: ...

    def step(self, *figures: Any) -> None: ...

    def epoch(self, row: dict[str, Any]) -> None: ...


@dataclass
class Workshop:
    """Stands in for training, combining and judging; `faults` says what happens instead: folder name -> error."""

    made: list[str] = field(default_factory=list)
    jobs: list[Any] = field(default_factory=list)
    faults: dict[str, BaseException] = field(default_factory=dict)

    def train(self, job: Any, screen: Any, progress: Any) -> None:
        self.jobs.append(job)
        self._make(job.out)
        write_json(job.out / "model" / "bundle.json", {"run": len(self.made)})
        described = {"split": {"fingerprint": read_split(Path(job.split)).fingerprint}, "training": {"seconds": 2.5}}
        write_json(job.out / "run.json", described)

    def build_ensemble(self, runs: list[Path], rule: str, out: Path, images: Images) -> None:
        self._make(out)
        assert not (out / "model").exists() and not (out / "evaluation").exists()
        write_json(out / "model" / "bundle.json", {"members": {run.name: state.model_digest(run) for run in runs}})

    def build_mix(self, base: Path, specialists: list[Path], routing: str, out: Path, images: Images) -> None:
        self.build_ensemble([base, *specialists], routing, out, images)

    def evaluate_model(self, model: Path, data: Path, part: str, *rest: Any, **options: Any) -> None:
        if fault := self.faults.get(f"judge {model.name}"):
            raise fault
        write_json(model / "evaluation" / part / "metrics.json", {"metrics": {"accuracy": {"value": 0.5}}})

    def _make(self, out: Path) -> None:
        self.made.append(f"{out.parent.parent.name} {out.name}")
        if fault := self.faults.get(out.name):
            raise fault


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    shop = Workshop()
    monkeypatch.setattr(runner.run, "train", shop.train)
    for name in ("build_ensemble", "build_mix", "evaluate_model"):
        monkeypatch.setattr(runner, name, getattr(shop, name))
    monkeypatch.setattr(runner, "pack", lambda *arguments: None)
    return shop


@pytest.fixture
def study(synthetic: Path, tmp_path: Path, workshop: Workshop) -> Study:
    return Study(load(tmp_path), synthetic, tmp_path / "out", "smoke", ("paper",))


def statuses(found: dict[str, Any], protocol: str = "paper") -> dict[str, tuple[str, str]]:
    return {row["id"]: (row["status"], row["reason"]) for row in found["protocols"][protocol]["rows"]}


DONE = ("done", "")


def test_images_are_packed_as_the_networks_read_them(
    study: Study, workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A pack of another frame would be read by no network, and the one they read made in the midst of training."""
    packed: list[tuple[object, ...]] = []
    monkeypatch.setattr(runner, "pack", lambda cases, size, *rest: packed.append((size, rest[-1])))
    values = content()
    values["budgets"]["smoke"]["set"]["photo_aspect"] = 1.333
    values["budgets"]["smoke"]["rows"]["gray"]["size"] = 48
    run_study(replace(study, grid=load(tmp_path, values)), Screen())
    assert packed == [(32, 1.333), (48, 1.333)]


def test_every_model_is_made_in_order_and_once(study: Study, workshop: Workshop) -> None:
    study = replace(study, protocols=("paper", "grouped"))
    found = run_study(study, Screen())
    one = ["rgb", "gray", "mel-nv", "both", "mix"]
    assert workshop.made == [f"{protocol} {name}" for protocol in ("paper", "grouped") for name in one]
    assert set(statuses(found).values()) == set(statuses(found, "grouped").values()) == {DONE}
    assert [about["part"] for about in found["protocols"].values()] == ["val", "test"]
    assert read_json(study.out / "study.json") == found == run_study(study, Screen())
    assert len(workshop.made) == 10
    splits = {job.split for job in workshop.jobs}
    assert splits == {str(study.out / protocol / "split.csv") for protocol in ("paper", "grouped")}
    assert all(job.resume and job.weights == "none" for job in workshop.jobs)


def test_a_model_is_made_anew_when_a_member_was(study: Study, workshop: Workshop) -> None:
    """And judged anew; the looks at the test images stay counted."""
    run_study(study, Screen())
    both = study.out / "paper" / "combined" / "both"
    (both / "looks.jsonl").touch()
    shutil.rmtree(study.out / "paper" / "rows" / "gray")
    workshop.made.clear()
    assert statuses(state.collect(study.out))["both"][0] == "unfinished"
    assert set(statuses(run_study(study, Screen())).values()) == {DONE}
    assert workshop.made == ["paper gray", "paper both"] and (both / "looks.jsonl").exists()


def test_a_model_of_which_a_member_is_gone_is_not_done_and_not_lost(study: Study, workshop: Workshop) -> None:
    run_study(study, Screen())
    shutil.rmtree(study.out / "paper" / "rows" / "gray")
    found = statuses(run_study(replace(study, only=("both",)), Screen()))
    assert found["both"] == ("not run", "gray is not done")
    assert (study.out / "paper" / "combined" / "both" / "model" / "bundle.json").is_file()


def test_one_failing_row_leaves_the_rest(study: Study, workshop: Workshop) -> None:
    workshop.faults = {"gray": DataError("no memory", "buy some")}
    screen = Screen()
    found = statuses(run_study(study, screen))
    assert found["gray"] == ("failed", "no memory (buy some)")
    assert {r["id"]: r["exit_code"] for r in state.collect(study.out)["protocols"]["paper"]["rows"]} == {
        "rgb": None, "gray": 3, "mel-nv": None, "both": None, "mix": None,
    }  # fmt: skip
    assert found["both"] == ("not run", "gray is not done")
    assert found["rgb"] == found["mel-nv"] == found["mix"] == DONE
    assert "paper, gray: failed: no memory (buy some)" in screen.lines
    assert ("paper", "gray", "failed", "no memory (buy some)") in state.missing(state.collect(study.out))
    workshop.faults.clear()
    workshop.made.clear()
    assert set(statuses(run_study(study, Screen())).values()) == {DONE}
    assert workshop.made == ["paper gray", "paper both"]
    assert not list(study.out.rglob("*.note.json"))


def test_a_fault_of_ours_is_noted_with_its_trace(study: Study, workshop: Workshop) -> None:
    workshop.faults = {"judge rgb": ZeroDivisionError("oh")}
    found = statuses(run_study(study, Screen()))
    assert found["rgb"] == ("failed", "ZeroDivisionError: oh")
    note = read_json(study.out / "paper" / "rows" / "rgb.note.json")
    assert "evaluate_model" in note["trace"] and note["exit_code"] == 1
    assert found["mel-nv"] == found["mix"] == ("not run", "rgb is not done")


def test_a_signal_ends_the_study_and_a_second_call_goes_on(study: Study, workshop: Workshop) -> None:
    workshop.faults = {"gray": RunStoppedError(15)}
    with pytest.raises(RunStoppedError):
        run_study(study, Screen())
    write_json(study.out / "paper" / "rows" / "gray" / "run.json", {"status": "training"})
    assert statuses(state.collect(study.out))["gray"][0] == "unfinished"
    assert statuses(state.collect(study.out))["both"] == ("not run", "not begun")
    workshop.faults.clear()
    assert set(statuses(run_study(study, Screen())).values()) == {DONE}


def test_a_model_that_another_process_is_at_is_left_to_it(study: Study, workshop: Workshop) -> None:
    screen = Screen()
    run_study(replace(study, only=("rgb",)), Screen())
    with lock(study.out / "paper" / "locks" / "gray", "the model"):
        found = statuses(run_study(study, screen))
    (told,) = [line for line in screen.lines if line.startswith("paper, gray: ")]
    assert "the model is in use by another process" in told
    assert found["gray"] == ("not run", "not begun") and found["rgb"] == DONE
    assert "paper gray" not in workshop.made


def test_only_some(study: Study, workshop: Workshop) -> None:
    found = statuses(run_study(replace(study, only=("mel-nv",)), Screen()))
    assert found["mel-nv"] == ("not run", "rgb is not done")
    assert found["rgb"] == ("not run", "not begun")
    run_study(replace(study, only=("mel-nv", "rgb")), Screen())
    assert workshop.made == ["paper rgb", "paper mel-nv"]
    with pytest.raises(UsageError, match="did you mean"):
        run_study(replace(study, only=("mel-mv",)), Screen())


def test_a_specialist_of_a_parent_on_another_split_is_not_trained(study: Study, workshop: Workshop) -> None:
    """It would learn images that the base is judged on."""
    run_study(replace(study, only=("rgb",)), Screen())
    write_json(study.out / "paper" / "rows" / "rgb" / "run.json", {"split": {"fingerprint": "0" * 16}})
    found = statuses(run_study(study, Screen()))
    assert found["mel-nv"] == found["mix"] == ("not run", "rgb was trained on another split")
    assert workshop.made == ["paper rgb", "paper gray"]


def test_weights_that_are_not_there(study: Study, workshop: Workshop, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    reason = "ImageNet weights not reachable (file test_resnet.safetensors is missing)"
    assert statuses(run_study(replace(study, weights=str(folder)), Screen()))["rgb"] == ("not run", reason)
    (folder / "test_resnet.safetensors").touch()
    found = run_study(replace(study, weights=str(folder)), Screen())
    assert set(statuses(found).values()) == {DONE}
    assert workshop.jobs[0].weights == str(folder / "test_resnet.safetensors")
    assert found["weights"] == "DIR" and found["protocols"]["paper"]["rows"][0]["command"].endswith("--weights DIR")
    with pytest.raises(UsageError, match="no such folder"):
        run_study(replace(study, weights=str(tmp_path / "nowhere")), Screen())
    with pytest.raises(UsageError, match="start from DIR, not from none"):
        run_study(study, Screen())


def test_a_hub_that_does_not_answer(study: Study, workshop: Workshop) -> None:
    workshop.faults = {"rgb": ModelError("the hub is away"), "gray": DataError("torn")}
    found = statuses(run_study(replace(study, weights="imagenet"), Screen()))
    assert found["rgb"] == ("not run", "ImageNet weights not reachable (the hub is away)")
    assert found["gray"] == ("failed", "torn")


def test_what_a_crash_left_of_a_beginning_is_taken_away(study: Study) -> None:
    folder = study.out / "paper" / "rows" / "rgb"
    run_study(replace(study, only=("gray",)), Screen())
    folder.mkdir(parents=True)
    for name in ("recipe.yaml", ".run.json.4194399.partial", "mine.txt", "mine.partial"):
        (folder / name).touch()
    run_study(study, Screen())
    assert {path.name for path in folder.iterdir() if path.is_file()} == {"run.json", "mine.txt", "mine.partial"}


def test_a_new_label_is_taken_up_without_training(study: Study, workshop: Workshop, tmp_path: Path) -> None:
    run_study(study, Screen())
    workshop.made.clear()
    values = content()
    values["rows"][0]["label"] = "another"
    found = run_study(replace(study, grid=load(tmp_path, values)), Screen())
    assert found["protocols"]["paper"]["rows"][0]["label"] == "another" and not workshop.made
