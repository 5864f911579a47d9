"""The browser's own player, and a line that runs over the picture of the sound as it plays."""

from __future__ import annotations

import gradio as gr
import numpy as np

from emotts.timebase import SAMPLE_RATE

_FOLLOW = """
const sound = () => document.querySelector('#PLAYER audio');
const step = () => {
  const audio = sound(), line = element.querySelector('.em-head');
  if (line) {
    const known = audio && audio.duration > 0;
    line.style.left = known ? `${100 * audio.currentTime / audio.duration}%` : '0';
    line.style.display = known && audio.currentTime > 0 ? 'block' : 'none';
  }
  if (document.contains(element)) requestAnimationFrame(step);
};
requestAnimationFrame(step);
element.addEventListener('click', event => {
  const axis = event.target.closest('.em-figure > div'), audio = sound();
  if (!axis || !audio || !(audio.duration > 0)) return;
  const box = axis.getBoundingClientRect();
  audio.currentTime = audio.duration * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  audio.play();
});
"""


def player(label: str, elem_id: str) -> gr.Audio:
    """A player for sound that the page makes."""
    # The waveform is in the picture below, over the same axis as the phonemes.
    return gr.Audio(
        label=label,
        interactive=False,
        elem_id=elem_id,
        buttons=["download"],
        waveform_options=gr.WaveformOptions(show_recording_waveform=False),
    )


def follow(elem_id: str) -> str:
    """JavaScript of a picture that follows the player of that id; a click on the picture plays from there."""
    return _FOLLOW.replace("PLAYER", elem_id)


def playable(audio: np.ndarray, rate: int = SAMPLE_RATE) -> tuple[int, np.ndarray]:
    """Rate and 16-bit samples for a player, which would bring floats to full scale.

    Args:
        audio: float, within ±1, shape (samples,).
        rate: in Hz.
    """
    return rate, np.round(np.clip(audio, -1.0, 1.0) * 32767.0).astype(np.int16)
