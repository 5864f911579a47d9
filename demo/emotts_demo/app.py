"""The page put together, and started."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from emotts.errors import InputError
from emotts_demo.dub_tab import DubTab
from emotts_demo.speech_tab import SpeechTab

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

PORT = 7860
"""Where the page is unless another port is asked for."""

WAITING = 32
"""Most requests in the queue; one more is refused with a message."""

LARGEST_UPLOAD = "2gb"

_KEPT_SECONDS = 86_400  # of files that were uploaded or made
_STYLE = Path(__file__).with_name("page.css")
_HEADER = """
<header class="em-header"><h1>emotts</h1>
<p>Speech whose <b>emotion</b> and <b>length</b> you set exactly.</p></header>
"""


def build(tts: EmoTTS) -> gr.Blocks:
    """The page of a loaded model; `launch` starts it."""
    with gr.Blocks(
        title="emotts", analytics_enabled=False, fill_width=False, delete_cache=(3600, _KEPT_SECONDS)
    ) as page:
        gr.HTML(_HEADER)
        with gr.Tabs():
            with gr.Tab("Speech", id="speech-tab"):
                SpeechTab(tts).build()
            with gr.Tab("Dubbing", id="dub-tab"):
                DubTab(tts).build()
    page.queue(max_size=WAITING, default_concurrency_limit=4, api_open=False)
    return page


def launch(
    tts: EmoTTS, host: str = "127.0.0.1", port: int = PORT, share: bool = False, wait: bool = True
) -> tuple[gr.Blocks, str]:
    """Starts the page.

    Args:
        tts: the loaded model.
        host: address to listen at; 0.0.0.0 is all of them.
        port: 0 takes a free one.
        share: make a public link through Gradio's servers.
        wait: return when the page is stopped, not when it is started.

    Returns:
        the page and its address.

    Raises:
        InputError: the port is taken, or the address is none of this machine.
    """
    page = build(tts)
    address = page.launch(
        server_name=host,
        server_port=free_port(host, port),
        share=share,
        prevent_thread_lock=True,
        quiet=True,
        show_error=True,
        max_threads=16,
        theme=theme(),
        css_paths=_STYLE,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        max_file_size=LARGEST_UPLOAD,
        state_session_capacity=200,
        ssr_mode=False,
        pwa=False,
    )[1]
    if wait:
        page.block_thread()
    return page, address


def free_port(host: str, port: int) -> int:
    """The port, if it can be listened at.

    Raises:
        InputError: it cannot.
    """
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
            return trial.getsockname()[1]
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"cannot listen at {host}:{port} ({reason}); choose another port with --port, 0 for a free one"
        ) from None


def theme() -> gr.themes.Base:
    """Colours and sizes; the fonts are those of the reader's machine."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.indigo,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        font=("system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    )
