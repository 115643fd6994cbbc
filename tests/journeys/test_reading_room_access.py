"""The reading room for everybody: keyboard alone, small and dark screens, screen readers; and when things go wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest


def read(page: Any, *files: Any) -> None:
    page.set_input_files("#files", [str(path) for path in files])
    page.locator(".row.image").nth(len(files) - 1).wait_for()
    page.locator("#progress").wait_for(state="hidden")


def focused(page: Any) -> str:
    return page.evaluate(
        "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
    )


def tab_to(page: Any, name: str, most: int = 40) -> None:
    """Press Tab until the element with an id or class has the focus, and see that the focus can be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if focused(page) == name:
            outlined = "e => getComputedStyle(e.matches('.unseen') ? e.nextElementSibling : e).outlineStyle"
            assert page.locator(":focus").evaluate(outlined) != "none"
            return
    raise AssertionError(f"{name} is not reached by Tab")


def test_everything_is_done_with_the_keyboard(page: Any, lesions: Any) -> None:
    page.on("filechooser", lambda chooser: None)  # from now on no real dialogue opens: to ask for that takes a while
    tab_to(page, "files")
    with page.expect_file_chooser():
        page.keyboard.press("Enter")
    read(page, *lesions.certain[:2])
    tab_to(page, "pick")
    tab_to(page, "pick")
    page.keyboard.press("Enter")
    assert page.inner_text("#subject") == "Image 2" and focused(page) == "pick"
    tab_to(page, "before")
    page.keyboard.press("Space")
    assert page.inner_text("#subject") == "Image 1"
    tab_to(page, "map-open")
    page.keyboard.press("Space")
    page.locator("#map").wait_for()
    tab_to(page, "point")
    before = page.inner_text("#sensitivity")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#sensitivity") != before and focused(page) == "point"
    tab_to(page, "csv")
    with page.expect_download():
        page.keyboard.press("Enter")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing_and_nothing_sticks_out(page: Any, lesions: Any, scheme: str, width: int) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="needs: pip install axe-playwright-python"
    )
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 740})

    def faults() -> list[str]:
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(page).response["violations"]
        return [f"{fault['id']}: {fault['nodes'][0]['target']}" for fault in found]

    assert faults() == []
    read(page, lesions.certain[0], lesions.certain[1], lesions.strange[0])
    page.click("#map-open")
    page.locator("#map").wait_for()
    assert faults() == []
    for box in page.locator(".row input").all()[:2]:
        box.check()
    page.click("#combine")
    page.locator(".row.lesion").wait_for()
    assert faults() == []
    page.locator(".row .pick").nth(3).click()
    assert faults() == []


def test_a_busy_server_is_asked_again(page: Any, lesions: Any) -> None:
    asked = []

    def busy_once(route: Any) -> None:
        asked.append(route.request.url)
        if len(asked) > 1:
            return route.continue_()
        body = json.dumps({"error": {"message": "busy", "remedy": "wait"}, "request_id": "x"})
        return route.fulfill(status=503, headers={"Retry-After": "1", "Content-Type": "application/json"}, body=body)

    page.route("**/v1/predict", busy_once)
    page.set_input_files("#files", str(lesions.certain[0]))
    page.locator("#progress-text", has_text="The server is busy; asking again in 1 s").wait_for()
    page.locator(".row.read").wait_for()
    assert len(asked) == 2


def test_what_the_server_says_is_shown_with_its_remedy_and_asked_again(page: Any, lesions: Any) -> None:
    error = {"error": {"message": "A <b>bad</b> day.", "remedy": "Come back later."}, "request_id": "x"}
    page.route("**/v1/predict", lambda route: route.fulfill(status=500, json=error))
    read(page, *lesions.certain[:2])
    assert page.locator(".row.failed").count() == 2
    assert "A <b>bad</b> day." in page.inner_text("#remark") and "Come back later." in page.inner_text("#remark")
    page.unroute("**/v1/predict")
    page.click("#again")
    page.locator(".row.read").nth(1).wait_for()
    assert page.locator("#remark").is_hidden()


def test_no_server_is_said_plainly(page: Any, lesions: Any) -> None:
    page.route("**/v1/predict", lambda route: route.abort())
    read(page, lesions.certain[0])
    assert "No answer from the server." in page.inner_text("#remark")


def test_the_token_comes_with_the_address_and_leaves_it(
    chromium: Any, locked_room: tuple[str, str], lesions: Any
) -> None:
    address, token = locked_room
    page = chromium.new_page()
    page.goto(address)
    page.locator("#trouble button").wait_for()
    assert len(page.inner_text("#trouble")) > 40
    page.goto(f"{address}#token={token}")
    page.locator("#about").wait_for()
    assert page.url == address and page.locator("#trouble").is_hidden()
    read(page, lesions.certain[0])
    assert page.locator(".row.read").count() == 1
    assert token not in page.content() and page.evaluate("localStorage.length + sessionStorage.length") == 0
    page.close()
