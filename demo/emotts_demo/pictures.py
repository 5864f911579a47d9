"""Pictures of speech and emotion as HTML that needs nothing from elsewhere."""

from __future__ import annotations

import base64
import functools
import io
import itertools
from collections.abc import Iterable, Sequence
from html import escape

import librosa
import numpy as np
import torch
from PIL import Image

from emotts.audio.mel import LogMel
from emotts.emotion import EMOTIONS, Emotion
from emotts.speech import Speech, Timed
from emotts.text.symbols import PAUSES, kind
from emotts.timebase import MEL_BINS, SAMPLE_RATE

WAVE_POINTS = 1200
"""Most columns of a waveform."""

_DYNAMIC_RANGE = 9.0  # of the spectrogram, in nepers: 78 dB
_WIDEST = 16_000  # pixels of a figure
_PIXELS_PER_SECOND = 210
_HERTZ = (500, 1000, 2000, 4000, 8000)
# Dark blue over violet and orange to pale yellow, of evenly rising lightness.
_COLOURS = np.array(
    [[8, 8, 30], [45, 20, 90], [120, 30, 120], [190, 55, 95], [240, 110, 55], [253, 185, 85], [254, 247, 205]]
)


def emotion_chart(emotion: Emotion, note: str = "") -> str:
    """Bars of the eight intensities.

    Args:
        emotion: what to draw.
        note: a sentence under the bars.
    """
    rows = "".join(
        f'<div class="em-row em-{name}{"" if value else " em-none"}"><span>{name}</span>'
        f'<i><b style="width:{100 * value:.1f}%"></b></i><em>{value:.2f}</em></div>'
        for name, value in zip(EMOTIONS, emotion.vector, strict=True)
    )
    said = "neutral" if emotion.is_neutral else ", ".join(_named(emotion))
    below = f'<p class="em-note">{escape(note)}</p>' if note else ""
    label = f"Emotion: {said}"
    return f'<div class="em-chart" role="img" aria-label="{escape(label)}">{rows}</div>{below}'


def _strongest(emotion: Emotion) -> str:
    """The three strongest of an emotion; the chart has them all."""
    ranked = sorted(emotion.as_mapping(), key=lambda name: -emotion.as_mapping()[name])
    kept = [f"{name} {emotion.as_mapping()[name]:.2f}" for name in ranked[:3]]
    return ", ".join(kept) + (", …" if len(ranked) > 3 else "")


def _named(emotion: Emotion) -> Iterable[str]:
    return (f"{name} {value:.2f}" for name, value in emotion.as_mapping().items())


def facts(speech: Speech, asked: float | None = None) -> str:
    """What came out, as small boxes.

    Args:
        speech: the result.
        asked: the length in seconds that was asked for.
    """
    samples = f"{len(speech.audio):,}".replace(",", " ")
    length = "length" if asked is None else f"length; {asked:g} s asked for"
    boxes = [
        (f"{speech.duration:.3f} s", length),
        (samples, f"samples at {speech.sample_rate / 1000:g} kHz"),
        (str(len(speech.tokens)), "tokens of 40 ms"),
        (str(speech.seed), "seed"),
        (speech.voice, "voice"),
        (_strongest(speech.emotion) or "neutral", "emotion"),
        (f"{speech.real_time_factor:.2f}", "real-time factor"),
    ]
    return _boxes(boxes)


def _boxes(boxes: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for value, name in boxes)
    return f'<div class="em-facts">{cells}</div>'


def speech_figure(speech: Speech) -> str:
    """Waveform, spectrogram, words and phonemes over one axis of time."""
    seconds = max(speech.duration, 1e-3)
    width = min(_WIDEST, round(_PIXELS_PER_SECOND * seconds))
    readable = width / seconds > 100
    phones = _track(speech.alignment, seconds, _kind_of, "em-phones", readable)
    words = _track(speech.word_timings, seconds, lambda word: "word", "em-words")
    return (
        f'<div class="em-figure" tabindex="0" aria-label="Waveform, spectrogram, words and phonemes">'
        f'<div style="min-width:{width}px">{_wave(speech.audio)}'
        f'<div class="em-spectrogram"><img alt="Spectrogram" src="{_data_uri(spectrogram(speech.audio))}">'
        f"{_frequencies()}</div>{words}{phones}{_ruler(seconds)}"
        '<i class="em-head"></i></div></div>'
    )


def _track(timed: Sequence[Timed], seconds: float, kind_of, name: str, labels: bool = True) -> str:
    parts = []
    for text, start, end in timed:
        if end <= start:  # a sound that shares the place of its neighbour
            continue
        sort = kind_of(text)
        label = escape(text) if labels and sort != "pause" else ""
        title = escape(f"{text.strip() or 'pause'}: {start:.2f} to {end:.2f} s")
        parts.append(
            f'<span class="em-{sort}" title="{title}" style="left:{100 * start / seconds:.3f}%;'
            f'width:{100 * (end - start) / seconds:.3f}%">{label}</span>'
        )
    return f'<div class="em-track {name}">{"".join(parts)}</div>'


def _kind_of(symbol: str) -> str:
    return "pause" if symbol in PAUSES else kind(symbol)


def _ruler(seconds: float) -> str:
    step = next(step for step in (0.2, 0.5, 1, 2, 5, 10, 30, 60) if seconds / step <= 160 or step == 60)
    if seconds > 2 and step < 0.5:
        step = 0.5
    marks = "".join(
        f'<span style="left:{100 * index * step / seconds:.3f}%">{index * step:g}</span>'
        for index in range(int(0.96 * seconds / step) + 1)
    )
    return f'<div class="em-ruler" aria-hidden="true">{marks}<b>s</b></div>'


def _wave(audio: np.ndarray, height: int = 56) -> str:
    """The peaks of the audio as an SVG that stretches to the width of the figure."""
    count = max(1, min(WAVE_POINTS, len(audio)))
    marks = np.linspace(0, len(audio), count + 1).astype(int)
    peaks = [float(np.abs(audio[a:b]).max(initial=0.0)) for a, b in itertools.pairwise(marks)]
    top = max(max(peaks), 1e-4)
    middle = height / 2
    upper = [f"{i},{middle - 0.5 - peak / top * (middle - 2):.1f}" for i, peak in enumerate(peaks)]
    lower = [f"{i},{middle + 0.5 + peak / top * (middle - 2):.1f}" for i, peak in enumerate(peaks)]
    points = " ".join(upper + lower[::-1])
    return (
        f'<svg class="em-wave" viewBox="0 0 {max(count - 1, 1)} {height}" preserveAspectRatio="none" '
        f'role="img" aria-label="Waveform"><polygon points="{points}"/></svg>'
    )


def spectrogram(audio: np.ndarray) -> bytes:
    """PNG of the log-mel spectrogram, a column for each 10 ms, high frequencies on top.

    Args:
        audio: at 24 kHz, shape (samples,).
    """
    with torch.no_grad():
        mel = _log_mel()(torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32))[None])[0].numpy()
    most = _WIDEST // 2
    if len(mel) > most:
        mel = mel[np.linspace(0, len(mel) - 1, most).astype(int)]
    level = np.clip((mel - mel.max()) / _DYNAMIC_RANGE + 1.0, 0.0, 1.0)
    place = level.T[::-1] * (len(_COLOURS) - 1)
    picture = np.stack(
        [np.interp(place, range(len(_COLOURS)), _COLOURS[:, channel]) for channel in range(3)], axis=-1
    )
    buffer = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@functools.lru_cache(maxsize=1)
def _log_mel() -> LogMel:
    return LogMel()


@functools.lru_cache(maxsize=1)
def _frequencies() -> str:
    """Names of some frequencies at their height in the spectrogram."""
    edges = librosa.mel_frequencies(n_mels=MEL_BINS + 2, fmax=SAMPLE_RATE / 2)[1:-1]
    labels = (
        f'<span style="bottom:{100 * float(np.interp(hertz, edges, range(MEL_BINS))) / MEL_BINS:.1f}%">'
        f"{hertz / 1000:g} kHz</span>"
        for hertz in _HERTZ
    )
    return f'<div class="em-hertz" aria-hidden="true">{"".join(labels)}</div>'


def _data_uri(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode()
