"""The page in a real browser: headless Chromium, as a person would use it. Skipped where there is none.

Pictures of the page are written to $EMOTTS_SCREENSHOTS, or to the test's own folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)", allow_module_level=True)
pytest.importorskip("gradio")
sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright drives the browser")

from emotts.emotion import EMOTIONS  # noqa: E402
from emotts_demo.app import launch  # noqa: E402

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PATIENCE = 120_000


@pytest.fixture(scope="module")
def address(hearing_tts) -> Iterator[str]:
    page, address = launch(hearing_tts, port=0, wait=False)
    yield address
    page.close()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(browser, address: str, request, tmp_path: Path) -> Iterator:
    """The page, open; fails on any request that leaves this machine and on errors of scripts."""
    context = browser.new_context(viewport=request.param, permissions=["microphone"])
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    left, broken = [], []
    page.on("request", lambda sent: left.append(sent.url) if is_foreign(sent.url, address) else None)
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#speak")
    yield page
    folder = Path(os.environ.get("EMOTTS_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{request.node.name}.png", full_page=True)
    width = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert not left and not broken
    assert width <= request.param["width"], "the page scrolls sideways"


def is_foreign(url: str, address: str) -> bool:
    return not url.startswith((address.rstrip("/"), "data:", "blob:"))


def click_until(page, selector: str, condition: str) -> None:
    """Clicks until it has an effect: the page can be seen before its scripts listen."""
    for _ in range(20):
        page.click(selector)
        try:
            page.wait_for_function(condition, timeout=PATIENCE // 20)
            return
        except sync_api.TimeoutError:
            continue
    raise AssertionError(f"a click on {selector} does nothing")


def speak(page) -> float:
    """Presses Speak, waits for the result, and gives its length by the audio element."""
    page.evaluate("document.querySelector('#figure .em-figure')?.classList.add('old')")
    page.click("#speak")
    page.wait_for_selector("#figure .em-figure:not(.old)")
    page.wait_for_function("document.querySelector('#speech audio')?.duration > 0")
    return page.evaluate("document.querySelector('#speech audio').duration")


def test_speaks_plays_changes_the_emotion_and_shows_errors(page) -> None:
    click_until(page, "text=Happy, exactly 2.8 s", "document.querySelector('#seed input').value === '7'")
    page.wait_for_function("document.querySelector('#emotion-chart').innerText.includes('0.70')")
    assert speak(page) == pytest.approx(2.8, abs=0.001)
    assert "67 200" in page.inner_text("#facts") and "happy 0.70" in page.inner_text("#facts")
    assert "thought" in page.inner_text("#figure")

    page.evaluate("document.querySelector('#speech audio').play()")
    page.wait_for_function("document.querySelector('#speech audio').currentTime > 0.2")
    page.wait_for_function("parseFloat(document.querySelector('#figure .em-head').style.left) > 0")

    page.fill("#emotion-happy input[type=number]", "0")
    page.fill("#emotion-sad input[type=number]", "0.6")
    page.press("#emotion-sad input[type=number]", "Enter")
    page.wait_for_function("document.querySelector('.em-row.em-sad em').innerText === '0.60'")
    speak(page)
    assert "sad 0.60" in page.inner_text("#facts")

    page.fill("#text textarea", "")
    page.click("#speak")
    page.wait_for_selector(".toast-body")
    assert "the text is empty; give at least one word" in page.inner_text(".toast-wrap")
    assert "Traceback" not in page.content()


def choose(page, choices: str, label: str, shown: str) -> None:
    """Takes one of some choices, and waits for what belongs to it."""
    page.click(f"#{choices} label:has-text('{label}')")
    page.wait_for_function(f"document.querySelector('{shown}')?.checkVisibility()")


def chart(page) -> list[float]:
    """The eight intensities that the chart shows."""
    return [float(text) for text in page.locator("#emotion-chart .em-row em").all_inner_texts()]


def test_emotion_by_words_and_by_recordings_and_a_voice_of_ones_own(page, hearing_tts, reference) -> None:
    shown = "document.querySelector('#words textarea, #words input')?.checkVisibility()"
    click_until(page, "#emotion-from label:has-text('Words')", shown)
    page.fill("#words textarea, #words input", "furious, through clenched teeth")
    page.wait_for_function("document.querySelector('#emotion-chart').innerText.includes('Read from these')")
    assert chart(page).index(max(chart(page))) == EMOTIONS.index("angry")

    choose(page, "emotion-from", "Recording", "#emotion-recording")
    page.set_input_files("#emotion-recording input[type=file]", reference)
    page.wait_for_function("document.querySelector('#emotion-chart').innerText.includes('Heard in')")
    heard = hearing_tts.emotion_of(reference)
    assert chart(page) == pytest.approx(heard.vector, abs=0.02)

    choose(page, "voice-from", "Upload or record", "#recorded-voice")
    page.set_input_files("#recorded-voice input[type=file]", reference)
    page.wait_for_selector("#recorded-voice [aria-label='Clear'], #recorded-voice .waveform-container")
    choose(page, "length-from", "Seconds", "#possible p")
    assert speak(page) == pytest.approx(2.8, abs=0.001)
    assert "reference" in page.inner_text("#facts")


def test_the_microphone_gives_an_emotion(page) -> None:
    shown = "document.querySelector('#emotion-recording')?.checkVisibility()"
    click_until(page, "#emotion-from label:has-text('Recording')", shown)
    page.click("#emotion-recording [aria-label='Record audio']")
    page.click("#emotion-recording .record-button")
    page.wait_for_timeout(2500)
    page.click("#emotion-recording .stop-button")
    # Chromium's microphone beeps; what a network of random weights hears in that is something.
    page.wait_for_function("document.querySelector('#emotion-chart').innerText.includes('Heard in')")


def test_dubs_the_example_and_makes_one_line_anew(page) -> None:
    shown = "document.querySelector('#dub-example')?.checkVisibility()"
    click_until(page, "button[role=tab]:has-text('Dubbing')", shown)
    page.click("#dub-example")
    page.wait_for_selector("#overview .em-line")
    page.wait_for_selector("#cast-1")
    page.click("#dub")
    page.wait_for_function("document.querySelector('#dub-status').innerText.includes('4 of 4')")
    page.wait_for_function("document.querySelector('#dubbed video')?.duration > 10")
    page.click("#overview .em-line[data-line='3']")
    page.wait_for_function("document.querySelector('#line-text textarea').value === 'I am so sorry.'")
    page.wait_for_function("document.querySelector('#line-audio audio')?.duration > 0.3")
    page.fill("#line-text textarea", "I am really sorry.")
    page.fill("#line-seed input", "12")
    page.click("#redo")
    page.wait_for_function("document.querySelector('#overview').innerText.includes('I am really sorry.')")
    page.wait_for_function("document.querySelector('#dub-status').innerText.includes('video is below')")
    assert "really" in page.inner_text("#line-figure")
