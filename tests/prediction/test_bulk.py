"""Bulk runs: every image exactly once, in order, whatever stops the run."""

from __future__ import annotations

import csv
import json
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lesionlab.diagnoses import CODES
from lesionlab.errors import BusyError, DataError, UsageError
from lesionlab.files import lock
from lesionlab.models.bundle import Bundle
from lesionlab.prediction import bulk
from lesionlab.prediction.bulk import Shard, local_engine, score, settings_of
from lesionlab.prediction.parts import Row, parts_folder
from lesionlab.prediction.paths import Entry
from lesionlab.prediction.predictor import Predictor
from lesionlab.prediction.tables import Tally

SETTINGS = {"model": "one", "views": 1}


def entries(count: int) -> list[Entry]:
    return [Entry(f"lesion{number}", Path(f"photos/lesion{number}.jpg")) for number in range(count)]


def answer(entry: Entry) -> Row:
    """Make up a row; every seventh image is refused."""
    named = {"image_id": entry.image_id, "path": str(entry.path)}
    if int(entry.image_id.removeprefix("lesion")) % 7 == 3:
        return {**named, "refused": f"{entry.path}: damaged"}
    probabilities = {f"p_{code}": 1 / 7 for code in CODES}
    decided = {"malignant": False, "prediction_set": ["nv", "mel"], "abstained": False, "reason": ""}
    return {**named, "diagnosis": "nv", **probabilities, **decided}


class Engine:
    """Makes up rows, and remembers which images it was asked about."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, waiting: Iterable[Entry]) -> Iterator[Row]:
        for entry in waiting:
            self.asked.append(entry.image_id)
            yield answer(entry)


def stop_after(rows: int) -> Callable[[], bool]:
    """A function that asks to stop at the given row."""
    seen = iter(range(1, 10**9))
    return lambda: next(seen) >= rows


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "answers.jsonl"


def test_all_images_in_the_order_of_the_listing(out: Path) -> None:
    told: list[tuple[bool, int, int]] = []
    watch = lambda row, done, count: told.append((row is None, done, count))  # noqa: E731
    assert score(out, entries(30), Engine(), SETTINGS, watch) == Tally(26, 4)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows == [answer(entry) for entry in entries(30)]
    assert told == [(True, 0, 30), *((False, done, 30) for done in range(1, 31))]
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(
    suffix: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(bulk, "PART_ROWS", 16)
    straight, stopped = out.with_name(f"straight{suffix}"), out.with_name(f"stopped{suffix}")
    score(straight, entries(100), Engine(), SETTINGS)
    engine, runs = Engine(), 0
    while score(stopped, entries(100), engine, SETTINGS, stopping=stop_after(29)) is None:
        runs += 1
        assert not stopped.exists() and runs < 10
    assert stopped.read_bytes() == straight.read_bytes()
    assert runs == 3, "24 of 29 rows, three batches, are kept each time"
    assert set(engine.asked) == {entry.image_id for entry in entries(100)}
    if suffix == ".csv":
        refused = [out.with_name(f"{name}.refused.csv").read_bytes() for name in ("straight", "stopped")]
        assert refused[0] == refused[1] and refused[0].count(b"damaged") == 14


def test_what_a_fault_leaves_is_taken_up(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, a kill or a fault in the middle: whole parts count, what is half done does not."""
    monkeypatch.setattr(bulk, "PART_ROWS", 8)

    def failing(waiting: Iterable[Entry]) -> Iterator[Row]:
        for number, entry in enumerate(waiting):
            if number == 20:
                raise DataError("the disk is full")
            yield answer(entry)

    with pytest.raises(DataError, match="full"):
        score(out, entries(30), failing, SETTINGS)
    folder = parts_folder(out)
    (folder / ".part-000000000016-000000000024.jsonl.99.partial").write_bytes(b'{"half')
    (folder / "part-000000000024-000000000030.jsonl").write_text("not following\n")
    (out.parent / f".{out.name}.99.partial").write_bytes(b"half")
    engine = Engine()
    assert score(out, entries(30), engine, SETTINGS) == Tally(26, 4)
    assert engine.asked == [f"lesion{number}" for number in range(16, 30)]
    assert [json.loads(line) for line in out.read_text().splitlines()] == [answer(entry) for entry in entries(30)]
    assert list(out.parent.iterdir()) == [out]


def test_a_part_that_is_written_after_some_seconds_holds_whole_batches(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PART_SECONDS", 0)
    assert score(out, entries(30), Engine(), SETTINGS, stopping=stop_after(21)) is None
    names = sorted(path.name for path in parts_folder(out).glob("part-*"))
    assert names == [f"part-{first:012}-{first + 8:012}.jsonl" for first in (0, 8)]


def test_a_run_with_other_settings_or_images_is_refused(out: Path) -> None:
    score(out, entries(30), Engine(), SETTINGS, stopping=stop_after(9))
    with pytest.raises(DataError, match=r"views 1 then, 4 now") as other:
        score(out, entries(30), Engine(), SETTINGS | {"views": 4})
    assert str(parts_folder(out)) in other.value.hint
    for now in (entries(31), entries(30)[::-1], [Entry("other", entry.path) for entry in entries(30)]):
        with pytest.raises(DataError, match="begun with 30 images that are not") as other:
            score(out, now, Engine(), SETTINGS)
        assert "--as-listed" in other.value.hint
    assert score(out, entries(31), Engine(), SETTINGS, as_listed=True) == Tally(26, 4)


def test_the_same_words_in_another_folder_are_other_images(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(out, entries(30), Engine(), SETTINGS, stopping=stop_after(9))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="begun with"):
        score(out, entries(30), Engine(), SETTINGS)


def test_a_second_process_is_refused(out: Path) -> None:
    with lock(parts_folder(out), "a run"), pytest.raises(BusyError, match=out.name):
        score(out, entries(3), Engine(), SETTINGS)


def test_a_damaged_part_is_named_and_can_be_answered_anew(out: Path) -> None:
    score(out, entries(30), Engine(), SETTINGS, stopping=stop_after(16))
    (part,) = parts_folder(out).glob("part-*")
    part.write_text("{}\n")
    with pytest.raises(DataError, match=part.name) as damaged:
        score(out, entries(30), Engine(), SETTINGS)
    assert "delete it" in damaged.value.hint and not out.exists()
    part.unlink()
    assert score(out, entries(30), Engine(), SETTINGS) == Tally(26, 4)


def test_nothing_to_answer_leaves_nothing(out: Path) -> None:
    def listed() -> Iterator[Entry]:
        yield from entries(2)
        raise DataError("no image found")

    with pytest.raises(DataError, match="no image"):
        score(out, listed(), Engine(), SETTINGS)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_only_refusals_are_written_down_and_told(suffix: str, out: Path) -> None:
    bad = [Entry(f"lesion{number}", Path(f"photos/lesion{number}.jpg")) for number in (3, 10)]
    with pytest.raises(DataError, match="none of 2 images"):
        score(out.with_suffix(suffix), bad, Engine(), SETTINGS)
    (left,) = out.parent.iterdir()
    assert left.name == {".csv": "answers.refused.csv", ".jsonl": "answers.jsonl"}[suffix]
    assert left.read_text().count("damaged") == 2


def test_an_empty_share_is_an_empty_table(out: Path) -> None:
    assert score(out.with_suffix(".csv"), [], Engine(), SETTINGS) == Tally(0, 0)
    assert list(csv.DictReader(out.with_suffix(".csv").open())) == []


def test_memory_does_not_grow_with_the_images(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PART_ROWS", 200)

    def peak(count: int) -> int:
        tracemalloc.start()
        listed = (Entry(str(number), Path(f"{number:09}.jpg")) for number in range(count))
        score(out, listed, lambda waiting: (answer(Entry("lesion1", entry.path)) for entry in waiting), SETTINGS)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(4_000) < 1.2 * peak(1_000)


def test_shares_hold_each_image_once() -> None:
    shares = [Shard.parse(f"{number}/3") for number in (1, 2, 3)]
    held = [[entry for entry in entries(300) if share.holds(entry.path)] for share in shares]
    assert sorted(entry.image_id for share in held for entry in share) == sorted(e.image_id for e in entries(300))
    assert all(70 < len(share) < 130 for share in held)
    assert Shard().holds(Path("caf\udce9.jpg"))


@pytest.mark.parametrize("words", ["0/3", "4/3", "1", "1/0", "a/b", "-1/2", "1/2/3", ""])
def test_what_is_no_share(words: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(words)


def test_answers_of_a_model_are_those_of_the_predictor(bundle: Bundle, images: list[Path], out: Path) -> None:
    predictor = Predictor(bundle)
    gone = images[0].with_name("gone.png")
    listed = [Entry(f"case {number}", path) for number, path in enumerate([*images[:5], gone, *images[5:]])]
    settings: dict[str, Any] = settings_of(predictor, None, Shard())
    assert settings["shard"] == "1/1" and len(settings["model"]) == 16
    assert score(out, listed, local_engine(predictor), settings) == Tally(9, 1)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["image_id"] for row in rows] == [entry.image_id for entry in listed]
    assert rows[5] == {"image_id": "case 5", "path": str(gone), "refused": f"{gone}: no such file"}
    expected = [result.verdict.diagnosis for result in predictor.predict(images)]  # type: ignore[union-attr]
    assert [row["diagnosis"] for row in rows if "refused" not in row] == expected
