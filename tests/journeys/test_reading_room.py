"""The reading room as a person walks through it: photographs in, answers, maps, lesions, exports."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

NOTICE = "Research use, not a medical device"
HOSTILE = "<img src=x onerror=alert(1)>.jpg"


def read(page: Any, *files: Path) -> None:
    """Choose files and wait until all of them are read or refused."""
    before = page.locator(".row.image").count()
    page.set_input_files("#files", [str(path) for path in files])
    page.wait_for_function("n => document.querySelectorAll('.row.image').length === n", arg=before + len(files))
    page.locator("#progress").wait_for(state="hidden")


def pick(page: Any, place: int) -> None:
    page.locator(".row .pick").nth(place).click()


def saved(page: Any, kind: str) -> str:
    """Press an export's button and return what it saves."""
    with page.expect_download() as download:
        page.click(f"#{kind}")
    assert download.value.suggested_filename == f"reading-room.{kind}"
    return Path(download.value.path()).read_text(encoding="utf-8")


def write_dicom(photograph: Path, path: Path) -> None:
    """Write a photograph as a DICOM file that names a person."""
    pydicom = pytest.importorskip("pydicom", reason="DICOM needs the extra: pip install 'lesionlab[dicom]'")
    pixels = np.asarray(Image.open(photograph))
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.4"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    dataset.Modality, dataset.PatientName = "XC", "Doe^Jane"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)


def test_one_photograph_is_answered_in_words(page: Any, lesions: Any) -> None:
    read(page, lesions.certain[0])
    answer = json.loads(saved(page, "json"))["answers"][0]
    share = f"{100 * answer['probabilities'][answer['diagnosis']]:.0f}\u202f%"
    assert page.inner_text("#diagnosis") == answer["name"]
    assert page.inner_text("#chance") == share
    assert page.inner_text("#status") == f"Image 1: {answer['name']}, {share}"
    assert page.locator("#bars li").count() == 7
    assert ("one of:" in page.inner_text("#set")) == (len(answer["prediction_set"]) > 1)
    assert page.locator("#remark").is_hidden()
    assert page.locator("#picture").evaluate("picture => picture.naturalWidth") > 0
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    assert page.locator(".notice", has_text=NOTICE).first.evaluate("e => e.getBoundingClientRect().top >= 0")


def test_many_photographs_go_in_small_requests_and_bad_files_stop_none(page: Any, lesions: Any, tmp_path: Path) -> None:
    hostile, empty = tmp_path / HOSTILE, tmp_path / "empty.png"
    hostile.write_bytes(b"no picture")
    empty.touch()
    good = [*lesions.certain[:3], *lesions.doubtful[:2]] * 2
    page.evaluate(
        """() => {
            const send = window.fetch;
            window.sent = [];
            window.fetch = (path, options) => {
                window.sent.push(options.body.getAll("files").map((file) => file.name));
                return send(path, options);
            };
        }"""
    )
    read(page, *good[:5], hostile, empty, *good[5:])
    assert page.locator(".row.read").count() == 10
    assert page.locator(".row.refused").count() == 2
    sent = page.evaluate("window.sent")
    assert sum(len(names) for names in sent) == 12 and max(len(names) for names in sent) <= 8
    assert {name for names in sent for name in names} == {"image"}
    pick(page, 5)
    assert page.inner_text("#file-name") == HOSTILE and page.locator("img[src=x]").count() == 0
    assert "neither JPEG" in page.inner_text("#remark") and page.locator("#answer").is_hidden()


def test_doubts_stand_before_the_diagnosis(page: Any, lesions: Any) -> None:
    read(page, lesions.strange[0], lesions.doubtful[0])
    assert page.inner_text("#remark strong") == "Not a dermoscopic image."
    assert page.locator("#diagnosis").is_hidden()
    page.click("#answer-head")
    assert page.locator("#diagnosis").is_visible()
    pick(page, 1)
    assert page.inner_text("#remark strong") == "Not certain."
    remark, diagnosis = page.locator("#remark").bounding_box(), page.locator("#diagnosis").bounding_box()
    assert remark["y"] < diagnosis["y"]


def test_the_slider_decides_here_at_points_that_were_measured(
    page: Any, room: str, lesions: Any, trace: dict[str, list[str]]
) -> None:
    model = page.request.get(f"{room}v1/model").json()
    points = sorted((p for p in model["operating"] if p["target"] == "malignant"), key=lambda p: p["threshold"])
    read(page, lesions.certain[0])
    chance = json.loads(saved(page, "json"))["answers"][0]["malignant_probability"]
    asked = len([url for url in trace["requests"] if "/v1/" in url])
    assert page.inner_text("#aim") == f"for {next(p['aim'] for p in points if p['default'])}"
    page.focus("#point")
    page.keyboard.press("Home")
    for point in points:
        assert page.inner_text("#sensitivity") == f"{100 * point['sensitivity']:.0f}\u202f%"
        assert page.inner_text("#specificity") == f"{100 * point['specificity']:.0f}\u202f%"
        called = "malignant" if chance >= point["threshold"] else "benign"
        assert page.inner_text("#call") == f"Called {called}"
        assert called in page.inner_text(".row .called")
        assert page.get_attribute("#point", "aria-valuetext").endswith(f"called {called}")
        page.keyboard.press("ArrowRight")
    assert len([url for url in trace["requests"] if "/v1/" in url]) == asked


def test_the_heat_map_is_asked_for_when_it_is_opened(page: Any, lesions: Any, trace: dict[str, list[str]]) -> None:
    read(page, lesions.certain[0])
    assert not [url for url in trace["requests"] if url.endswith("/v1/explain")]
    page.click("#map-open")
    page.locator("#map").wait_for()
    options = page.locator("#map-class option").evaluate_all("options => options.map(o => o.value)")
    assert len(options) == 7 and page.input_value("#map-class") == options[0]
    first = page.get_attribute("#map", "src")
    page.select_option("#map-class", options[1])
    assert page.get_attribute("#map", "src") != first
    page.focus("#map-opacity")
    page.keyboard.press("Home")
    assert page.locator("#map").evaluate("map => map.style.opacity") == "0"
    page.click("#map-open")
    assert page.locator("#map").is_hidden()
    page.click("#map-open")
    assert len([url for url in trace["requests"] if url.endswith("/v1/explain")]) == 1


def test_photographs_of_one_lesion_become_one_answer(page: Any, lesions: Any) -> None:
    read(page, *lesions.certain[:3])
    assert page.locator("#combine").is_disabled()
    for place in (0, 2):
        page.locator(".row input").nth(place).check()
    page.click("#combine")
    page.locator(".row.lesion").wait_for()
    assert page.inner_text("#subject") == "Lesion 1" and page.inner_text("#file-name") == "Image 1, Image 3"
    lesion, first, _, third = json.loads(saved(page, "json"))["answers"]
    assert lesion["images"] == ["image 1", "image 3"]
    for code, share in lesion["probabilities"].items():
        assert abs(share - (first["probabilities"][code] + third["probabilities"][code]) / 2) < 1e-6
    pick(page, 1)
    page.click("#remove")
    assert page.locator(".row").count() == 2 and page.locator(".row.lesion").count() == 0


def test_exports_name_no_file_unless_asked_and_run_nothing(page: Any, lesions: Any, tmp_path: Path) -> None:
    named = tmp_path / "=Jane, Doe.jpg"
    named.write_bytes(lesions.certain[0].read_bytes())
    read(page, named, lesions.strange[0])
    pick(page, 0)
    page.click("#person summary")
    page.fill("#age", "54")
    page.select_option("#sex", "female")
    page.fill("#site", '=HYPERLINK("x")')
    plain, table = saved(page, "json"), saved(page, "csv")
    assert "Jane" not in plain + table
    page.check("#names")
    assert json.loads(saved(page, "json"))["answers"][0]["files"] == ["=Jane, Doe.jpg"]
    rows = list(csv.DictReader(io.StringIO(saved(page, "csv"))))
    assert [row["subject"] for row in rows] == ["image 1", "image 2"]
    assert rows[0]["files"] == "'=Jane, Doe.jpg" and rows[0]["site"] == '\'=HYPERLINK("x")'
    assert (rows[0]["age"], rows[0]["sex"], rows[0]["notice"]) == ("54", "female", NOTICE)
    assert rows[1]["outlier"] == "yes" and rows[1]["age"] == ""
    assert abs(sum(float(value) for name, value in rows[0].items() if name.startswith("p_")) - 1) < 1e-6


def test_the_report_prints_what_was_read(page: Any, lesions: Any) -> None:
    read(page, lesions.certain[0], lesions.strange[0])
    page.evaluate("window.print = () => { window.printed = document.getElementById('report').textContent; }")
    page.click("#print")
    page.wait_for_function("window.printed")
    told = page.evaluate("window.printed")
    assert NOTICE in told and "Not a dermoscopic image" in told and "Image 2" in told
    assert lesions.certain[0].name not in told
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_one_click_forgets_the_sitting(page: Any, lesions: Any) -> None:
    read(page, *lesions.certain[:2])
    page.click("#clear")
    assert page.locator(".row").count() == 0 and page.locator("#reading").is_hidden()
    assert page.evaluate("document.activeElement.id") == "files"
    read(page, lesions.certain[0])
    assert page.inner_text("#subject") == "Image 1"


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_photographs_are_pasted_and_dropped(page: Any, lesions: Any, event: str) -> None:
    content = list(lesions.certain[0].read_bytes())
    page.evaluate(
        """([kind, content]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(content)], "one.jpg", { type: "image/jpeg" }));
            document.body.dispatchEvent(kind === "paste"
                ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
                : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        [event, content],
    )
    page.locator(".row.read").wait_for()


def test_a_dicom_photograph_is_read(page: Any, lesions: Any, tmp_path: Path) -> None:
    dicom = tmp_path / "photograph"
    write_dicom(lesions.certain[0], dicom)
    read(page, dicom)
    assert page.locator(".row.read").count() == 1
    assert page.locator("#picture").evaluate("picture => picture.naturalWidth") > 0
