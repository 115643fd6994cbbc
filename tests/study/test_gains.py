"""What combining gains and costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_study import PAIRS, write_study

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.predictions import Predictions, write_predictions
from lesionlab.study import gains
from lesionlab.study.results import Results, read_results


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return read_results(write_study(tmp_path, images=70))


def mix_report(results: Results) -> dict[str, dict[str, Any]]:
    """Return the harm report of Mix-Model "mix" under the paper's protocol, by specialist."""
    records = gains.harm_report(results).records
    return {one["specialist"]: one for one in records if one["protocol"] == "paper" and one["id"] == "mix"}


def test_an_ensemble_stands_beside_its_best_member(results: Results) -> None:
    table = gains.ensemble_gains(results)
    assert [(record["id"], record["against"], record["protocol"]) for record in table.records] == [
        ("weighted", "xception", "paper")
    ]
    row = results.row("paper", "weighted")
    best = results.row("paper", "xception")
    assert row and best
    gain = row["figures"]["metrics"]["macro_f1"]["value"] - best["figures"]["metrics"]["macro_f1"]["value"]
    assert table.records[0]["value"] == pytest.approx(gain)


def test_a_mix_stands_beside_its_base(results: Results) -> None:
    found = {(record["id"], record["protocol"], record["metric"]) for record in gains.mix_gains(results).records}
    made = [(name, protocol) for name in ("mix", "margin") for protocol in ("paper", "grouped")]
    assert found == {(*m, name) for m in made for name in ("accuracy", "macro_precision", "macro_recall", "macro_f1")}


def test_harm_is_told_for_each_specialist(results: Results) -> None:
    """A melanoma lost by one specialist and a nevus won by it are its own; the others changed nothing."""
    base = results.predictions("paper", "xception")
    assert base is not None
    probabilities = base.probabilities.copy()
    probabilities.flags.writeable = True
    mel, nv = CODES.index("mel"), CODES.index("nv")
    right = base.predicted == base.truth
    lost = int(((base.truth == mel) & right).nonzero()[0][0])
    wrong = int(((base.truth == nv) & right).nonzero()[0][0])
    for row, now in ((lost, nv), (wrong, mel)):
        probabilities[row] = 0.05
        probabilities[row, now] = 0.7
    after = Predictions(base.image_ids, base.lesion_ids, base.truth, probabilities)
    write_predictions(results.folder / "paper/combined/mix/evaluation/val/predictions.csv", after)
    told = mix_report(results)
    assert [*told] == ["all", "mel-nv", "akiec-bcc", "mel-bkl"]
    for name in ("all", "mel-nv"):
        assert (told[name]["changed"], told[name]["to_wrong"], told[name]["melanomas_lost"]) == (2, 2, 1)
        assert told[name]["p_value"] == 0.5
    assert told["mel-bkl"]["changed"] == 0 and told["mel-bkl"]["p_value"] == 1


def test_an_answer_in_two_pairs_is_the_doing_of_one_specialist(results: Results) -> None:
    """Melanoma is in two pairs: what it changed to, or from, tells whose answer it was. Each change counts once."""
    base = results.predictions("paper", "xception")
    assert base is not None
    changes = [("mel", "nv"), ("nv", "mel"), ("mel", "bkl"), ("mel", "bkl"), ("bkl", "mel"), ("akiec", "bcc")]
    probabilities = base.probabilities.copy()
    probabilities.flags.writeable = True
    free = {code: iter((base.predicted == CODES.index(code)).nonzero()[0]) for code in CODES}
    for was, now in changes:
        row = int(next(free[was]))
        probabilities[row] = 0.05
        probabilities[row, CODES.index(now)] = 0.7
    after = Predictions(base.image_ids, base.lesion_ids, base.truth, probabilities)
    write_predictions(results.folder / "paper/combined/mix/evaluation/val/predictions.csv", after)
    told = mix_report(results)
    changed = {name: record["changed"] for name, record in told.items()}
    assert changed == {"all": 6, "mel-nv": 2, "akiec-bcc": 1, "mel-bkl": 3}
    for key in ("to_right", "to_wrong", "wrong_to_wrong", "melanomas_won", "melanomas_lost"):
        assert told["all"][key] == sum(told[name][key] for name in PAIRS), key


def test_missing_predictions_leave_a_line_out(results: Results) -> None:
    (results.folder / "paper/combined/mix/evaluation/val/predictions.csv").unlink()
    found = {(record["id"], record["protocol"]) for record in gains.harm_report(results).records}
    assert found == {("mix", "grouped"), ("margin", "paper"), ("margin", "grouped")}
