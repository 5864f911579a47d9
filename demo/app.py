"""Starts the page from a checkout: python demo/app.py. `emotts demo` does the same, with options."""

from __future__ import annotations

from emotts import EmoTTS
from emotts_demo.app import launch

if __name__ == "__main__":
    launch(EmoTTS.from_pretrained())
