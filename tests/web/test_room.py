"""What /v1/predict, /v1/explain and /v1/model answer, and which uploads they refuse."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from lesionlab.data.images import MAX_PIXELS
from lesionlab.diagnoses import CODES, MALIGNANT
from lesionlab.models.bundle import Bundle
from lesionlab.prediction.predictor import Answer, Predictor
from lesionlab.web import batching
from lesionlab.web.app import make_app
from lesionlab.web.settings import Settings

Make = Callable[..., Any]


def opened(url: str) -> Image.Image:
    """Return the picture in a data: URL."""
    return Image.open(io.BytesIO(base64.b64decode(url.partition(";base64,")[2])))


def test_answers_are_those_of_the_command_line(
    client: TestClient, model: Bundle, photograph: Make, upload: Make, tmp_path: Path
) -> None:
    contents = [photograph(seed=seed) for seed in range(3)]
    paths = [tmp_path / f"{number}.jpg" for number in range(3)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    found = client.post("/v1/predict", **upload(*contents)).json()
    assert (found["model"], found["lesion"]) == (model.title, None)
    assert "not a medical device" in found["notice"]
    for index, (told, answer) in enumerate(zip(found["answers"], Predictor(model).predict(paths), strict=True)):
        assert isinstance(answer, Answer)
        assert set(told) == {"index", "verdict"} and told["index"] == index
        expected, verdict = answer.verdict, told["verdict"]
        assert list(verdict["probabilities"]) == list(CODES)
        assert list(verdict["probabilities"].values()) == pytest.approx(expected.probabilities, abs=1e-6)
        assert verdict["malignant_probability"] == pytest.approx(expected.malignant_probability, abs=1e-6)
        names = ("diagnosis", "name", "malignant", "abstained", "reason", "outlier")
        assert [verdict[name] for name in names] == [getattr(expected, name) for name in names]
        assert verdict["prediction_set"] == list(expected.prediction_set or ())


def test_one_bad_file_does_not_spoil_the_rest(client: TestClient, photograph: Make, upload: Make) -> None:
    good, bad = photograph(), photograph()[:200]
    found = client.post("/v1/predict", **upload(b"", good, bad)).json()["answers"]
    assert [set(one) for one in found] == [{"index", "refused"}, {"index", "verdict"}, {"index", "refused"}]
    assert found[0]["refused"] == "file 0: the file is empty"
    assert found[2]["refused"].startswith("file 2: ")
    worst = client.post("/v1/predict", **upload(b"", b"x", combine="true"))
    assert (worst.status_code, worst.json()["lesion"]) == (200, None)


def test_photographs_of_one_lesion_are_averaged(client: TestClient, photograph: Make, upload: Make) -> None:
    contents = [photograph(seed=1), b"no image", photograph(seed=2)]
    found = client.post("/v1/predict", **upload(*contents, combine="true")).json()
    each = [one["verdict"] for one in found["answers"] if "verdict" in one]
    counted = [one for one in each if not one["outlier"]] or each
    mean = np.mean([list(one["probabilities"].values()) for one in counted], axis=0)
    assert list(found["lesion"]["probabilities"].values()) == pytest.approx(mean, abs=1e-6)


def test_the_operating_point_decides(client: TestClient, photograph: Make, upload: Make) -> None:
    points = {one["aim"]: one for one in client.get("/v1/model").json()["operating"] if one["target"] == "malignant"}
    for aim in ("sensitivity 0.95", "specificity 0.95"):
        (one,) = client.post("/v1/predict", **upload(photograph(), point=aim)).json()["answers"]
        verdict = one["verdict"]
        assert verdict["malignant"] == (verdict["malignant_probability"] >= points[aim]["threshold"])


def test_pictures_are_upright_small_and_bare(client: TestClient, upload: Make) -> None:
    exif = Image.Exif()
    exif[274], exif[271] = 6, "maker"
    buffer = io.BytesIO()
    Image.new("RGB", (1200, 600), (200, 150, 120)).save(buffer, "JPEG", exif=exif)
    (one,) = client.post("/v1/predict", **upload(buffer.getvalue(), pictures="true")).json()["answers"]
    picture = opened(one["picture"])
    assert (picture.format, picture.size) == ("JPEG", (240, 480))
    assert not picture.getexif() and b"maker" not in base64.b64decode(one["picture"].partition(",")[2])


def test_maps_fit_the_picture(client: TestClient, photograph: Make, upload: Make) -> None:
    found = client.post("/v1/explain", **upload(photograph(), target="df")).json()
    assert (found["index"], found["explained"], set(found["maps"])) == (0, "df", set(CODES))
    picture = opened(found["picture"])
    assert (picture.format, picture.size) == ("JPEG", (96, 72))
    covers = []
    for url in found["maps"].values():
        drawn = opened(url)
        assert (drawn.format, drawn.size) == ("PNG", picture.size)
        covers.append(np.asarray(drawn.convert("RGBA"))[..., 3])
    assert max(cover.max() for cover in covers) > 250 and min(cover.min() for cover in covers) == 0
    plain = client.post("/v1/explain", **upload(photograph())).json()
    assert plain["explained"] == plain["verdict"]["diagnosis"]


def test_the_model_says_what_it_is(client: TestClient, model: Bundle, settings: Settings) -> None:
    found = client.get("/v1/model").json()
    assert [one["code"] for one in found["classes"]] == list(CODES)
    assert [one["code"] for one in found["classes"] if one["malignant"]] == list(MALIGNANT)
    assert model.decisions is not None and model.decisions.conformal is not None
    (default,) = (one for one in found["operating"] if one["default"])
    assert (default["target"], default["aim"]) == ("malignant", model.decisions.default_point)
    assert len(found["operating"]) == len(model.decisions.operating)
    assert (found["coverage"], found["maps"]) == (model.decisions.conformal.coverage, True)
    limits = {"files": 4, "file_bytes": 20_000, "request_bytes": 60_000, "pixels": MAX_PIXELS}
    assert found["limits"] == limits
    assert found["card"].startswith("# ") and "seven diagnoses" in found["card"]


def test_a_model_without_decisions_answers_too(
    make_member: Make, settings: Settings, photograph: Make, upload: Make, tmp_path: Path
) -> None:
    from lesionlab.models.bundle import read_bundle

    app = make_app(read_bundle(make_member(tmp_path / "model")), settings, threads=1)
    with TestClient(app, base_url="http://localhost") as client:
        found = client.get("/v1/model").json()
        assert (found["operating"], found["coverage"], found["abstain_below"]) == ([], None, None)
        (one,) = client.post("/v1/predict", **upload(photograph())).json()["answers"]
        assert {one["verdict"][name] for name in ("malignant", "prediction_set", "abstained", "outlier")} == {None}
        assert client.post("/v1/predict", **upload(photograph(), point="sensitivity 0.95")).status_code == 422


@pytest.mark.parametrize("views", [None, 1, 8])
def test_views_are_those_that_are_asked_for(
    views: int | None, model: Bundle, settings: Settings, photograph: Make, upload: Make, tmp_path: Path
) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(photograph("PNG"))
    (answer,) = Predictor(model, views).predict([path])
    assert isinstance(answer, Answer)
    with TestClient(make_app(model, replace(settings, views=views), threads=1), base_url="http://localhost") as client:
        assert client.get("/v1/model").json()["views"] == (views or model.views)
        for route in ("predict", "explain"):
            told = client.post(f"/v1/{route}", **upload(path.read_bytes())).json()
            verdict = told["verdict"] if route == "explain" else told["answers"][0]["verdict"]
            assert list(verdict["probabilities"].values()) == pytest.approx(answer.verdict.probabilities, abs=1e-6)


def test_without_maps_explain_says_so(
    model: Bundle, settings: Settings, photograph: Make, upload: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_torch(model: object, views: int | None) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(batching, "grad_cam", no_torch)
    with TestClient(make_app(model, settings, threads=1), base_url="http://localhost") as client:
        assert client.get("/v1/model").json()["maps"] is False
        found = client.post("/v1/explain", **upload(photograph()))
        assert found.status_code == 422 and "lesionlab[train]" in found.json()["error"]["remedy"]


@pytest.mark.parametrize(
    ("path", "fields", "files", "status", "word"),
    [
        ("predict", {"combine": "false"}, 0, 422, "no files"),
        ("predict", {"point": "sensitivity 0.99"}, 1, 422, "point"),
        ("predict", {"combine": "yes"}, 1, 422, "combine"),
        ("predict", {"colour": "red"}, 1, 422, "not known"),
        ("predict", {}, 5, 422, "more files than 4"),
        ("explain", {}, 2, 422, "more files than 1"),
        ("explain", {"target": "nevus"}, 1, 422, "target"),
        ("explain", {"pictures": "true"}, 1, 422, "not known"),
    ],
)
def test_wrong_uploads_are_told(
    path: str, fields: dict[str, str], files: int, status: int, word: str, client: TestClient, photograph: Make
) -> None:
    parts = [("files", ("x.jpg", photograph()))] * files + [(name, (None, value)) for name, value in fields.items()]
    found = client.post(f"/v1/{path}", files=parts)
    assert found.status_code == status
    error = found.json()
    assert word in error["error"]["message"]
    assert error["error"]["remedy"] and error["request_id"] == found.headers["x-request-id"]


def test_an_unreadable_file_has_no_map(client: TestClient, upload: Make) -> None:
    found = client.post("/v1/explain", **upload(b"GIF89a"))
    assert found.status_code == 422
    assert found.json()["error"]["message"] == "file 0: neither JPEG, PNG, WebP, TIFF, BMP nor DICOM"


def test_a_full_queue_says_when_to_come_again(
    model: Bundle, settings: Settings, photograph: Make, upload: Make
) -> None:
    app = make_app(model, replace(settings, queue=4), threads=1)
    with TestClient(app, base_url="http://localhost") as client:
        room = client.app.state.room  # type: ignore[attr-defined]
        with room.batcher.places(2):
            assert client.post("/v1/predict", **upload(photograph(), photograph())).status_code == 200
            found = client.post("/v1/predict", **upload(*[photograph()] * 3))
            assert (found.status_code, found.headers["retry-after"]) == (503, "2")
            assert client.get("/health").json()["waiting"] == 2
        assert room.batcher.waiting == 0


def test_a_fault_of_ours_is_told_without_details(
    model: Bundle, settings: Settings, photograph: Make, upload: Make, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def fails(*_: object) -> None:
        raise RuntimeError("secret of the client")

    with TestClient(make_app(model, settings, threads=1), base_url="http://localhost") as client:
        monkeypatch.setattr("lesionlab.prediction.predictor.Predictor.probabilities", fails)
        found = client.post("/v1/predict", **upload(photograph()))
        assert (found.status_code, found.json()["error"]["message"]) == (500, "a fault of this server")
        assert found.json()["request_id"] in caplog.text and "RuntimeError" in caplog.text
        assert "secret" not in caplog.text + found.text
        monkeypatch.undo()
        assert client.post("/v1/predict", **upload(photograph())).status_code == 200
