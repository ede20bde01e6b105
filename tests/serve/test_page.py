"""The page in a browser; where no chromium is installed these tests are skipped."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from fiqa.deploy.scorer import Scorer
from served import BLACK, BRIGHT, DARK, GREY, encoded, running

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome on this machine"),
]
PATIENCE = 30_000
"""Milliseconds; busy machines take seconds to start a camera."""
FLAGS = ["--no-sandbox", "--use-fake-device-for-media-stream"]


@pytest.fixture(scope="module")
def browser():
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser):
    context = browser.new_context(accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(context, client):
    """The page, watched: nothing may fail in it, and nothing be asked of another host."""
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    page.on("request", lambda asked: outside(asked.url, client) and wrong.append(asked.url))
    page.goto(str(client.base_url))
    yield page
    assert wrong == []


def outside(url, client):
    return not url.startswith((str(client.base_url), "blob:", "data:"))


def files(**contents):
    return [
        {"name": name.replace("_", "."), "mimeType": "image/png", "buffer": content}
        for name, content in contents.items()
    ]


def add(page, **contents):
    page.set_input_files("#files", files(**contents))
    expect(page.get_by_role("status").first).to_have_text(
        f"All {page.locator('.card').count()} photos scored."
    )


def names(page):
    return page.locator(".card .name").all_text_contents()


def test_a_photo_is_drawn_and_told_in_words(page, client):
    expect(page.get_by_text("tiny ·")).to_be_visible()
    add(page, dark_png=DARK, grey_png=GREY)
    said = client.post("/v1/score", files={"images": DARK}).json()["images"][0]["faces"][0]
    card = page.locator(".card").first
    expect(card.get_by_role("img")).to_have_accessible_name(f"Quality {said['score100']} of 100")
    words = ", ".join(reason["words"] for reason in said["reasons"])
    button = card.get_by_role("button")
    expect(button).to_have_accessible_name(f"dark.png: quality {said['score100']}, {words}")
    edge = card.locator("rect.edge")
    assert [edge.get_attribute(name) for name in ("x", "y", "width", "height")] == ["20", "30", "40", "50"]
    assert card.locator("path.mark-point").get_attribute("d").count("M") == 5
    expect(page.locator("#summary")).to_contain_text("2 photos · 2 faces")


def test_the_keyboard_is_enough(page):
    add(page, dark_png=DARK, grey_png=GREY)
    page.locator(".card .open").first.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_have_accessible_name("dark.png")
    expect(dialog.get_by_text("Bring light onto the face.")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(dialog).to_have_accessible_name("grey.png")
    page.keyboard.press("ArrowRight")
    expect(dialog).to_have_accessible_name("dark.png")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(".card .open").first).to_be_focused()


def test_a_heat_map_on_demand(page):
    add(page, grey_png=GREY)
    page.locator(".card .open").click()
    assert page.locator("#frame image").count() == 1
    page.get_by_role("button", name="Heat map").click()
    expect(page.locator("#legend")).to_be_visible()
    assert page.locator("#frame image").count() == 2
    page.get_by_role("button", name="Heat map").click()
    expect(page.locator("#legend")).to_be_hidden()


def test_several_faces(page):
    add(page, bright_png=BRIGHT)
    expect(page.locator(".badge")).to_have_text("2 faces")
    page.locator(".card .open").click()
    second = page.get_by_role("button", name="Face 2")
    second.click()
    expect(second).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#verdict")).to_contain_text("20 × 20 pixels")
    page.locator("#frame rect.edge").first.click()
    expect(page.get_by_role("button", name="Face 1")).to_have_attribute("aria-pressed", "true")


def test_no_face_no_image(page):
    add(page, black_png=BLACK, notes_txt=b"hello")
    expect(page.locator(".card .said")).to_have_text(["no face found", "no image"])
    expect(page.locator("#summary")).to_contain_text("2 without a result")
    page.locator(".card .open").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("no face of confidence 0.6 or more")
    expect(page.get_by_role("button", name="Heat map")).to_be_disabled()


def test_too_large(context, scorer):
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    wide = encoded(np.zeros((300, 400, 3), np.uint8))
    with running(scorer, pixels=100_000, request_bytes=200_000) as client:
        page = context.new_page()
        page.goto(str(client.base_url))
        add(page, heavy_png=encoded(noise), wide_png=wide)
        expect(page.locator(".card .said")).to_have_text(["a request may have 200000 bytes", "too large"])


def test_order(page):
    add(page, b10_png=BRIGHT, b9_png=DARK, a_png=GREY, none_png=BLACK)
    orders = {
        "worst first": ["none.png", "b9.png", "a.png", "b10.png"],
        "best first": ["b10.png", "a.png", "b9.png", "none.png"],
        "by name": ["a.png", "b9.png", "b10.png", "none.png"],
        "as added": ["b10.png", "b9.png", "a.png", "none.png"],
    }
    for order, expected in orders.items():
        page.get_by_label("Order").select_option(label=order)
        assert names(page) == expected
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("heading", name="How useful is this face")).to_be_visible()
    assert names(page) == []


def test_download(page, client):
    page.set_input_files("#files", files(bright_png=BRIGHT, black_png=BLACK))
    page.set_input_files("#files", [{"name": 'a "b", c.png', "mimeType": "", "buffer": DARK}])
    expect(page.get_by_role("status").first).to_have_text("All 3 photos scored.")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "scores.csv"
    with download.value.path().open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["sample_id"] for row in rows] == ["bright.png", "bright.png#1", "black.png", 'a "b", c.png']
    said = client.post("/v1/score", files={"images": BRIGHT}).json()["images"][0]["faces"]
    for row, face in zip(rows, said, strict=False):
        for name in ("score", "score100", "percentile", "expected_fnmr", "confidence"):
            assert float(row[name]) == face[name]
        assert float(row["box_width"]) == face["box"]["right"] - face["box"]["left"]
        assert row["reasons"] == "; ".join(reason["words"] for reason in face["reasons"])
    assert rows[2]["problem"].startswith("no_face: ")


def test_the_camera(context, page):
    context.grant_permissions(["camera"])
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#camera-dial").get_by_role("img")).to_be_visible()
    page.get_by_role("button", name="Take photo").click()
    expect(page.locator(".card .name")).to_contain_text("camera 20")
    expect(page.get_by_role("status").first).to_have_text("All 1 photos scored.")
    assert page.locator("#video").evaluate("video => video.srcObject") is None


def test_a_camera_that_is_not_allowed(page):
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#camera-says")).to_contain_text("The camera is not allowed here.")
    expect(page.get_by_role("button", name="Take photo")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.locator("#camera")).to_be_hidden()


def test_a_token_is_asked_for(context, scorer):
    with running(scorer, token="sesame") as client:
        page = context.new_page()
        page.goto(str(client.base_url))
        for token in ("wrong", "sesame"):
            page.get_by_label("Token", exact=True).fill(token)
            page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text("tiny ·")).to_be_visible()
        add(page, dark_png=DARK)


def test_a_busy_service_is_asked_again(context, client):
    answers = iter([429])

    def once(route):
        status = next(answers, None)
        if status is None:
            route.continue_()
        else:
            route.fulfill(status=status, headers={"retry-after": "1"}, body="{}")

    page = context.new_page()
    page.route("**/v1/score", once)
    page.goto(str(client.base_url))
    add(page, dark_png=DARK)
    expect(page.locator(".card").get_by_role("img")).to_be_visible()


def test_dark_and_light(browser, client):
    grounds = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(str(client.base_url))
        look = "body => getComputedStyle(body).backgroundColor"
        grounds[scheme] = page.locator("body").evaluate(look)
        button = page.get_by_role("button", name="Theme")
        for name in ("light", "dark"):
            button.click()
            expect(button).to_have_text(f"Theme: {name}")
            assert page.locator("body").evaluate(look) == grounds.get(
                name, page.locator("body").evaluate(look)
            )
        page.reload()
        expect(page.get_by_role("button", name="Theme")).to_have_text("Theme: dark")
        page.close()
    assert grounds == {"light": "rgb(246, 245, 242)", "dark": "rgb(19, 20, 22)"}


@pytest.mark.faces
def test_a_folder_of_real_faces(context, photos, model):
    with running(Scorer(model, face="all", threads=1)) as client:
        page = context.new_page()
        page.goto(str(client.base_url))
        page.set_input_files("#folder", photos / "s1")
        expect(page.get_by_role("status").first).to_have_text("All 10 photos scored.")
        assert page.locator(".card .dial").count() == 10
        assert sorted(names(page))[0] == "s1/1.png"
