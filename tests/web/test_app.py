"""The application as a whole: what /openapi.json says is true, and nothing else is served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient


def test_the_document_names_every_route_and_every_error(client: TestClient) -> None:
    found = client.get("/openapi.json").json()
    assert set(found["paths"]) == {"/health", "/metrics", "/v1/model", "/v1/predict", "/v1/explain"}
    predict = found["paths"]["/v1/predict"]["post"]
    assert set(predict["responses"]) == {"200", "400", "401", "403", "408", "413", "415", "422", "503"}
    form = predict["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(form["properties"]) == {"files", "point", "combine", "pictures"}
    assert form["properties"]["files"]["maxItems"] == 4
    assert "sensitivity 0.95" in form["properties"]["point"]["enum"]
    assert "not a medical device" in found["info"]["description"]


NO_SCHEMA_SAYS_WHAT_AN_IMAGE_IS = """
[[operations]]
include-path = "/v1/explain"
checks.positive_data_acceptance.expected-statuses = ["2xx", 422]
"""
"""An upload that the document allows is refused where its bytes are no image."""


def test_a_fuzzer_finds_no_violation(serve: Callable[..., AbstractContextManager[Any]], tmp_path: Path) -> None:
    """Schemathesis asks every route what the document allows, and what it does not, and compares the answers."""
    (tmp_path / "schemathesis.toml").write_text(NO_SCHEMA_SAYS_WHAT_AN_IMAGE_IS)
    with serve() as serving:
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{serving.address}/openapi.json", "--seed", "1"),
            *("--max-examples", "15", "--no-color"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ)
    assert done.returncode == 0, done.stdout[-6000:]


def test_the_errors_of_all_statuses_have_one_form(client: TestClient) -> None:
    schema = json.dumps(client.get("/openapi.json").json()["components"]["schemas"]["Problem"])
    assert '"error"' in schema and '"request_id"' in schema
    for answer in (client.get("/x"), client.delete("/v1/model"), client.post("/v1/explain")):
        error = answer.json()
        assert set(error) == {"error", "request_id"} and set(error["error"]) == {"message", "remedy"}
        assert all(error["error"].values())
