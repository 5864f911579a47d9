"""Tiny videos and an engine that speaks sines, for the tests of dubbing."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import numpy as np

from emotts.emotion import Emotion
from emotts.errors import InputError
from emotts.speech import Speech
from emotts.timebase import SAMPLE_RATE, SAMPLES_PER_TOKEN


class SineEngine:
    """Speaks syllables of a tone, of exact length, with silence at both edges; counts what it is asked."""

    def __init__(self, lead: int = 480, tail: int = 960, faults: dict[int, str] | None = None) -> None:
        self.fingerprint = "sine"
        self.lead, self.tail = lead, tail
        self.faults = faults or {}
        self.calls: list[tuple[str, int, int]] = []

    def voice_key(self, voice: str | None) -> str:
        if voice == "nobody":
            raise InputError("unknown voice 'nobody'; named voices: low, high")
        return str(voice)

    def lengths(self, text, voice, emotion, language) -> tuple[int, int, int]:
        natural = max(5, 2 * len(text) // 3)
        return -(-natural // 2), natural, 3 * natural

    def synthesize(self, text, voice, emotion: Emotion, *, tokens, plan, seed, language) -> Speech:
        tokens = plan.total if plan is not None else tokens
        self.calls.append((text, tokens, seed))
        audio = self.tone(text, voice, tokens * SAMPLES_PER_TOKEN, seed)
        if self.faults.get(seed) == "silent":
            audio[:] = 0.0
        if self.faults.get(seed) == "late":
            audio[:4800] = 0.0
        if self.faults.get(seed) == "clipped":
            audio[5000:5010] = 1.0
        return Speech(
            audio=audio,
            tokens=np.zeros(tokens, dtype=np.int64),
            alignment=(("a", 0.0, tokens / 25),),
            word_timings=((text.split()[0], 0.0, tokens / 25),),
            seed=seed,
            text=text,
            voice=str(voice),
            emotion=emotion,
            timings={},
        )

    def tone(self, text: str, voice: str | None, samples: int, seed: int) -> np.ndarray:
        digest = hashlib.sha256(f"{text}{voice}{seed}".encode()).digest()
        pitch = 100 + digest[0]
        time = np.arange(samples) / SAMPLE_RATE
        tone = sum(np.sin(2 * np.pi * k * pitch * time) / k for k in range(1, 6))
        audio = 0.2 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))
        audio[: self.lead] = 0.0
        audio[samples - self.tail :] = 0.0
        return audio.astype(np.float32)


def make_video(
    path: Path, seconds: float = 4.0, sound: bool = True, fps: int = 25, picture: bool = True, delay: int = 0
) -> Path:
    """A video of grey noise, with bursts of a tone between 1 s and 2 s, and 2.5 s and 3 s.

    `delay` is the time of the first frame in seconds.
    """
    import av

    with av.open(str(path), "w") as file:
        video = None
        if picture:
            video = file.add_stream("mpeg4", rate=fps)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = file.add_stream("aac", rate=24_000, layout="mono") if sound else None
        random = np.random.default_rng(0)
        if video is not None:
            for index in range(round(seconds * fps)):
                values = random.integers(0, 255, (48, 64, 3), dtype=np.uint8)
                frame = av.VideoFrame.from_ndarray(values, format="rgb24")
                frame.pts, frame.time_base = index + delay * fps, Fraction(1, fps)
                file.mux(video.encode(frame))
            file.mux(video.encode(None))
        if audio is not None:
            samples = original_sound(seconds)
            for start in range(0, len(samples), 1024):
                piece = samples[start : start + 1024][None]
                frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
                frame.sample_rate, frame.time_base = 24_000, Fraction(1, 24_000)
                frame.pts = start + delay * 24_000
                file.mux(audio.encode(frame))
            file.mux(audio.encode(None))
    return path


def original_sound(seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    loud = ((time >= 1.0) & (time < 2.0)) | ((time >= 2.5) & (time < 3.0))
    return (0.3 * np.sin(2 * np.pi * 220 * time) * loud).astype(np.float32)


def write_srt(path: Path, lines: list[tuple[float, float, str]]) -> Path:
    """A SubRip file of start, end and text."""
    from emotts.dubbing.script import clock

    cues = [
        f"{number}\n{clock(start)} --> {clock(end)}\n{text}\n".replace(".", ",", 2)
        for number, (start, end, text) in enumerate(lines, 1)
    ]
    path.write_text("\n".join(cues), encoding="utf-8")
    return path


def packets(path: Path) -> list[bytes]:
    """Bytes of every packet of the picture."""
    import av

    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(file.streams.video[0]) if packet.size]


def decode_sound(path: Path, rate: int = 48_000) -> np.ndarray:
    """The first sound track, all of it, mono."""
    import av

    with av.open(str(path)) as file:
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=rate)
        parts = [out.to_ndarray() for frame in file.decode(audio=0) for out in resampler.resample(frame)]
        parts += [out.to_ndarray() for out in resampler.resample(None)]
    return np.concatenate(parts, axis=1).mean(axis=0)
