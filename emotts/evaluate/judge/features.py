"""What the judge hears: statistics of pitch, loudness, rhythm and spectrum of one recording.

The set follows eGeMAPS (Eyben et al., "The Geneva minimalistic acoustic parameter set", IEEE Trans.
Affective Computing 7(2), 2016) in what it measures, but not in its exact definitions. All levels are
logarithms, so that a difference between two recordings is a ratio of what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import dct
from scipy.signal import find_peaks, lfilter

from emotts.errors import AudioError
from emotts.evaluate.optional import optional_import

JUDGE_RATE = 16_000
"""Samples a second of what is measured: nothing above 8 kHz counts."""

FEATURES_VERSION = 1
"""Changes whenever a feature changes its meaning: caches and judges of another version are refused."""

_HOP, _WINDOW, _FFT = 160, 400, 1024
_FRAME = _HOP / JUDGE_RATE
_F0_FLOOR, _F0_CEILING = 60.0, 600.0
_MELS, _CEPSTRA = 26, 12
_BANDS = ((0, 500), (500, 1000), (1000, 2000), (2000, 4000), (4000, 8000))
_TINY = 1e-10
_REACH = 4
_LEAST_VOICED = 5
_LEAST_SECONDS = 0.2

_TRACK = ("mean", "std", "p10", "p50", "p90", "range", "slope", "rise", "fall", "trend", "end")
_SPECTRAL = ("alpha", "hammarberg", "tilt", "centroid", "harmonicity", "peak_prominence", "first_harmonics")

FEATURES: tuple[str, ...] = (
    *(f"pitch_{name}" for name in _TRACK),
    "pitch_jitter",
    *(f"level_{name}" for name in _TRACK),
    "voiced_share",
    "active_share",
    "syllable_rate",
    "voiced_run_mean",
    "voiced_run_std",
    *(f"cepstrum{k}_{name}" for name in ("mean", "std") for k in range(1, _CEPSTRA + 1)),
    *(f"band{k}_level" for k in range(len(_BANDS))),
    *(f"{what}_{name}" for what in _SPECTRAL for name in ("mean", "std")),
    "flux",
    "unvoiced_treble",
)
"""Names of the features, in the order of the vector."""


@dataclass(frozen=True)
class _Frames:
    """A recording every 10 ms.

    Attributes:
        power: shape (frames, _FFT // 2 + 1), power spectrum.
        level: shape (frames,), dB of full scale.
        f0: shape (frames,), Hz, zero where unvoiced.
        active: shape (frames,), whether there is speech.
    """

    power: np.ndarray
    level: np.ndarray
    f0: np.ndarray
    active: np.ndarray

    @property
    def voiced(self) -> np.ndarray:
        """Frames with a pitch, shape (frames,)."""
        return (self.f0 > 0) & self.active


def extract_features(waveform: np.ndarray) -> np.ndarray:
    """Features of one recording.

    Args:
        waveform: shape (samples,), float in [-1, 1] at `JUDGE_RATE`.

    Returns:
        shape (len(FEATURES),), float64, finite: a recording in which nothing is voiced has the values of a
        flat pitch of 100 Hz.

    Raises:
        AudioError: silent, or shorter than 0.2 s.
        MissingDependencyError: pyworld is not installed.
    """
    frames = _analyse(np.asarray(waveform, np.float64))
    groups = [_pitch(frames), _track(frames.level, frames.active), _rhythm(frames), _spectrum(frames)]
    vector = np.concatenate(groups)
    return np.nan_to_num(vector, nan=0.0, posinf=0.0, neginf=0.0)


def features_of_file(path: object, start: float = 0.0, end: float | None = None) -> np.ndarray:
    """Features of an audio file, or of the part from `start` to `end` seconds; see `extract_features`."""
    from emotts.audio.io import load_audio

    samples = load_audio(str(path), JUDGE_RATE).numpy()
    stop = None if end is None else round(end * JUDGE_RATE)
    try:
        return extract_features(samples[round(start * JUDGE_RATE) : stop])
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from None


def _analyse(samples: np.ndarray) -> _Frames:
    if len(samples) < _LEAST_SECONDS * JUDGE_RATE or float(np.abs(samples).max(initial=0.0)) < 1e-4:
        raise AudioError(f"the recording is silent or shorter than {_LEAST_SECONDS} s")
    f0 = _track_f0(samples)
    padded = np.pad(samples, _WINDOW // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    size = min(len(f0), len(windows))
    windows, f0 = windows[:size], f0[:size]
    level = 10 * np.log10(np.mean(windows**2, axis=1) + _TINY)
    power = np.abs(np.fft.rfft(windows * np.hanning(_WINDOW), _FFT, axis=1)) ** 2
    noise, loud = np.percentile(level, [5, 95])
    # The background of a quiet recording is nearer than 30 dB; one without pauses has no background.
    reach = min(max(0.65 * (loud - noise), 15.0), 30.0)
    active = (level > loud - reach) | (level >= loud)
    return _Frames(power, level, f0, active)


def _track_f0(samples: np.ndarray) -> np.ndarray:
    """Every 10 ms, Hz, zero where unvoiced: DIO with StoneMask, D4C's love train decides the voicing.

    M. Morise et al., "WORLD: a vocoder-based high-quality speech synthesis system", IEICE Trans. E99-D, 2016.
    """
    pyworld = optional_import("pyworld")
    samples = np.ascontiguousarray(samples)
    f0, times = pyworld.dio(samples, JUDGE_RATE, _F0_FLOOR, _F0_CEILING, frame_period=1000 * _FRAME)
    f0 = pyworld.stonemask(samples, f0, times, JUDGE_RATE)
    aperiodicity = pyworld.d4c(samples, f0, times, JUDGE_RATE, threshold=0.85)
    f0 = np.where(aperiodicity[:, 0] < 0.5, f0, 0.0)
    voiced = f0[f0 > 0]
    if len(voiced) < _LEAST_VOICED:
        return np.zeros_like(f0)
    low, high = np.percentile(voiced, [25, 75])
    return np.where((f0 > 0.65 * low) & (f0 < 2.0 * high), f0, 0.0)  # the rest are octave errors


def _pitch(frames: _Frames) -> np.ndarray:
    semitones = np.zeros(len(frames.f0))
    voiced = frames.voiced
    semitones[voiced] = 12 * np.log2(frames.f0[voiced] / 100.0)
    if voiced.sum() < _LEAST_VOICED:
        return np.zeros(len(_TRACK) + 1)
    second = semitones[2:] - 2 * semitones[1:-1] + semitones[:-2]
    inside = voiced[2:] & voiced[1:-1] & voiced[:-2]
    jitter = np.abs(second[inside]).mean() if inside.any() else 0.0
    return np.append(_track(semitones, voiced), jitter)


def _track(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Statistics of a contour over the frames of `mask`: `_TRACK`."""
    chosen = values[mask]
    p10, p50, p90 = np.percentile(chosen, [10, 50, 90])
    # Over 40 ms: from frame to frame the tracker's noise is larger than the voice's movement.
    inside = np.lib.stride_tricks.sliding_window_view(mask, _REACH + 1).all(1) if len(mask) > _REACH else []
    steps = (values[_REACH:] - values[:-_REACH])[inside] / (_REACH * _FRAME) if len(inside) else np.zeros(0)
    rise, fall = steps[steps > 0], steps[steps < 0]
    times = np.flatnonzero(mask) * _FRAME
    centred = times - times.mean()
    trend = float(centred @ chosen) / max(float(centred @ centred), _TINY)
    last = chosen[-max(1, len(chosen) // 4) :]
    slopes = [part.mean() if len(part) else 0.0 for part in (np.abs(steps), rise, fall)]
    mean = chosen.mean()
    return np.array([mean, chosen.std(), p10, p50, p90, p90 - p10, *slopes, trend, last.mean() - mean])


def _rhythm(frames: _Frames) -> np.ndarray:
    places = np.flatnonzero(frames.active)
    span = places[-1] - places[0] + 1
    smooth = lfilter(np.hanning(9) / np.hanning(9).sum(), 1, frames.level)
    peaks, _ = find_peaks(smooth, height=np.percentile(smooth, 95) - 20, prominence=2.5, distance=8)
    runs = _runs(frames.voiced)
    lengths = np.log(runs * _FRAME) if len(runs) else np.log([_FRAME])
    active = len(places)
    rate = np.log((len(peaks) + 0.5) / (active * _FRAME))
    return np.array([frames.voiced.sum() / active, active / span, rate, lengths.mean(), lengths.std()])


def _runs(mask: np.ndarray) -> np.ndarray:
    """Lengths of the unbroken stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return edges[1::2] - edges[::2]


def _spectrum(frames: _Frames) -> np.ndarray:
    """Statistics of the spectra of voiced frames (of all speech where nothing is voiced)."""
    chosen = frames.voiced if frames.voiced.sum() >= _LEAST_VOICED else frames.active
    power, f0 = frames.power[chosen] + _TINY, frames.f0[chosen]
    mel = np.log(power @ _mel_filters() + _TINY)
    cepstra = dct(mel, norm="ortho", axis=1)[:, 1 : _CEPSTRA + 1]
    bands = np.stack([_band(power, *band) for band in _BANDS], axis=1) - _band(power, 0, 8000)[:, None]
    tracks = [
        _band(power, 50, 1000) - _band(power, 1000, 5000),
        _highest(power, 0, 2000) - _highest(power, 2000, 5000),
        _tilt(mel),
        12 * np.log2(power @ _hertz() / power.sum(1) / 1000.0),
        _harmonicity(power, f0),
        _peak_prominence(power, f0),
        _first_harmonics(power, f0),
    ]
    statistics = [value for track in tracks for value in (track.mean(), track.std())]
    neighbours = np.diff(np.flatnonzero(chosen)) == 1
    flux = np.abs(np.diff(mel, axis=0))[neighbours].mean() if neighbours.any() else 0.0
    rest = frames.power[frames.active & (frames.f0 == 0)] + _TINY
    treble = (_band(rest, 3000, 8000) - _band(rest, 0, 8000)).mean() if len(rest) else 0.0
    return np.concatenate([cepstra.mean(0), cepstra.std(0), bands.mean(0), statistics, [flux, treble]])


def _hertz() -> np.ndarray:
    return np.fft.rfftfreq(_FFT, 1 / JUDGE_RATE)


def _mel_filters() -> np.ndarray:
    """Shape (bins, _MELS)."""
    import librosa

    return librosa.filters.mel(sr=JUDGE_RATE, n_fft=_FFT, n_mels=_MELS, fmin=60).T.astype(np.float64)


def _inside(low: float, high: float) -> np.ndarray:
    hertz = _hertz()
    return (hertz >= low) & (hertz <= high)


def _band(power: np.ndarray, low: float, high: float) -> np.ndarray:
    return 10 * np.log10(power[:, _inside(low, high)].sum(1) + _TINY)


def _highest(power: np.ndarray, low: float, high: float) -> np.ndarray:
    return 10 * np.log10(power[:, _inside(low, high)].max(1) + _TINY)


def _tilt(mel: np.ndarray) -> np.ndarray:
    """Slope of the log mel spectrum over the mel scale, per band."""
    axis = np.arange(_MELS) - (_MELS - 1) / 2
    return mel @ axis / (axis @ axis)


def _lags(f0: np.ndarray) -> np.ndarray:
    """Period in samples, shape (frames, 1); unvoiced frames are read at 150 Hz."""
    return np.round(JUDGE_RATE / np.where(f0 > 0, f0, 150.0)).astype(int)[:, None]


def _harmonicity(power: np.ndarray, f0: np.ndarray) -> np.ndarray:
    """Harmonics-to-noise ratio in dB of the autocorrelation at the period (Boersma 1993, equation 4)."""
    r = np.fft.irfft(power, axis=1)
    window = np.hanning(_WINDOW)
    own = np.fft.irfft(np.abs(np.fft.rfft(window, _FFT)) ** 2)
    lags = _lags(f0)
    share = np.take_along_axis(r, lags, 1)[:, 0] / r[:, 0] * own[0] / np.maximum(own[lags[:, 0]], _TINY)
    share = np.clip(share, 1e-2, 1 - 1e-2)
    return 10 * np.log10(share / (1 - share))


def _peak_prominence(power: np.ndarray, f0: np.ndarray) -> np.ndarray:
    """Height of the cepstral peak at the period over the mean of the cepstrum around it, dB."""
    cepstrum = np.fft.irfft(10 * np.log10(power), axis=1)
    lags = np.clip(_lags(f0) + np.arange(-2, 3), 1, _FFT // 2 - 1)
    peak = np.take_along_axis(cepstrum, lags, 1).max(1)
    return peak - np.abs(cepstrum[:, 25:270]).mean(1)


def _first_harmonics(power: np.ndarray, f0: np.ndarray) -> np.ndarray:
    """Level of the first harmonic over the second, dB: high in breathy voices."""
    pitch = np.where(f0 > 0, f0, 150.0)[:, None]
    reach = np.arange(-1, 2)
    levels = []
    for number in (1, 2):
        bins = np.round(number * pitch * _FFT / JUDGE_RATE).astype(int) + reach
        levels.append(10 * np.log10(np.take_along_axis(power, bins, 1).max(1)))
    return levels[0] - levels[1]
