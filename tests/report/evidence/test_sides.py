"""The tables of subgroups and stress hold what those studies found."""

from __future__ import annotations

from lesionlab.report.evidence import sides
from lesionlab.report.evidence.gathering import Evidence


def test_groups_stand_under_what_they_are_made_by(full: Evidence) -> None:
    found, table = full.studies["subgroups"], sides.groups(full)
    assert [row["group"] for row in table.records] == [row["group"] for row in found["groups"]]
    assert all(len(line) == len(table.columns) for line in table.grid())
    heads = [line[0].text for line in table.grid() if line[0]]
    assert heads == list(dict.fromkeys(row["attribute"] for row in found["groups"]))
    assert len(sides.worst_groups(full).rows) == sum(row is not None for row in found["worst"].values())


def test_the_corruption_that_hurts_most_stands_first(full: Evidence) -> None:
    found, table = full.studies["stress"]["corruptions"]["by_name"], sides.stress(full)
    falls = [found[row[0].text]["mean"]["balanced_accuracy_drop"]["value"] for row in table.rows]
    assert len(falls) == 12 and falls == sorted(falls, reverse=True)
    assert len(table.records) == 60 and {row["severity"] for row in table.records} == {1, 2, 3, 4, 5}


def test_small_changes_stand_beside_their_aim(full: Evidence) -> None:
    flips, table = full.studies["stress"]["flips"], sides.wavering(full)
    assert table.records[0]["value"] == flips["mean"]["value"]
    assert table.rows[0][2].text == f"below 0.065: {'reached' if flips['met'] else 'missed'}"


def test_what_was_not_asked_has_no_table(bare: Evidence) -> None:
    for make in (sides.groups, sides.worst_groups, sides.stress, sides.wavering, sides.shortcuts, sides.faithfulness):
        assert make(bare).rows == ()
    assert sides.leakage(bare).rows == sides.doubts(bare).rows == sides.comparison(bare).rows == ()


def test_leaks_are_counted_by_diagnosis(full: Evidence) -> None:
    found, table = full.studies["leakage"], sides.leakage(full)
    assert "pairs" not in found, "single images stay in their own file"
    assert table.rows[-1][1].text == str(full.metrics["images"])
    assert [row["any"] for row in table.records] == [row["any"] for row in found["counts"].values()]


def test_another_model_stands_beside_it(full: Evidence) -> None:
    found, table = full.studies["comparison"], sides.comparison(full)
    assert [row["metric"] for row in table.records] == list(found["metrics"])
    assert found["verdict"] in table.caption and "B studied" in table.caption


def test_doubted_labels_stand_beside_the_answers(full: Evidence) -> None:
    found, table = full.studies["doubts"], sides.doubts(full)
    assert "doubts" not in found and f"{found['images']} images" in table.caption
    labels = [label for label, row in found["joint"].items() if sum(row.values())]
    assert [row["label"] for row in table.records] == labels
    assert all(row[code] == found["joint"][row["label"]][code] for row in table.records for code in found["joint"])


def test_every_version_of_the_images_has_a_row(full: Evidence) -> None:
    found, table = full.studies["shortcuts"], sides.shortcuts(full)
    versions = [name for section in ("metadata", "masked") for name in found[section]["versions"]]
    assert [row["version"] for row in table.records] == versions and {"metadata", "background_box"} < set(versions)
    alone = found["metadata"]["versions"]["metadata"]["melanoma_auroc"]
    assert table.records[versions.index("metadata")]["melanoma_auroc_value"] == alone["value"]


def test_every_kind_of_map_has_a_row(full: Evidence) -> None:
    found, table = full.studies["faithfulness"], sides.faithfulness(full)
    assert [row["method"] for row in table.records] == list(found["methods"])
    cam = found["methods"]["grad_cam"]["measures"]
    assert table.records[0]["inside_value"] == cam["inside"]["value"] and table.rows[0][0].text == "Grad-CAM"
    assert f"{found['images']} images" in table.caption
