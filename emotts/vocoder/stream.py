"""The vocoder on a mel spectrogram that arrives in parts: the same samples as from the whole.

Every network of the vocoder sees a known number of frames to both sides, the excitation carries its phase
on, and the likeliest pitch path is decided as soon as all paths that are still possible have the same past.
What is yielded is therefore final, and equals `Vocoder.forward` on the whole mel but for rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from emotts.audio.mel import stft_frames
from emotts.timebase import HOP_LENGTH, MEL_BINS, SAMPLE_RATE
from emotts.vocoder.excitation import pulses, sample_rate_f0, white_noise
from emotts.vocoder.model import EDGE_FRAMES, Vocoder, inverse_stft
from emotts.vocoder.pitch import PITCH_BINS, step_scores

PATIENCE = 100
"""Frames (1 s) after which a pitch that is still open, as in a long pause, is decided as is likeliest."""

_WINDOW_REACH = 2
"""Hops that one frame of the Fourier transform reaches to either side, at most."""


class PathFinder:
    """`smooth_path` on scores that arrive in parts.

    Args:
        patience: frames after which an open decision is taken; None waits as long as it needs, and is then
            equal to `smooth_path` in any case.
    """

    def __init__(self, patience: int | None = PATIENCE) -> None:
        self.patience = patience
        self._total: Tensor | None = None
        self._back: list[Tensor] = []
        self._waiting = 0

    def feed(self, scores: Tensor, last: bool = False) -> list[int]:
        """Bins of the frames that are now decided, following those of the last call.

        Args:
            scores: shape (frames, bins), log likelihoods of the next frames.
            last: no more will come.
        """
        steps = step_scores(scores)
        for row in scores:
            self._waiting += 1
            if self._total is None:
                self._total = row
                continue
            best = (self._total[None, :] + steps).max(dim=-1)
            self._back.append(best.indices)
            self._total = best.values + row
        if self._total is None or not self._waiting:
            return []
        return self._decide(last)

    def _decide(self, last: bool) -> list[int]:
        assert self._total is not None
        likeliest = self._total.argmax().reshape(1)
        ends = likeliest if last else torch.arange(len(self._total), device=self._total.device)
        # Back from the newest frame: the bins that the surviving paths pass, until all pass the same one.
        best, known = [likeliest], 0
        for choice in reversed(self._back[len(self._back) - self._waiting + 1 :]):
            if len(ends) > 1:
                ends, known = choice[ends].unique(), known + 1
            best.append(choice[best[-1]])
        if len(ends) > 1:
            known = self._waiting
        if self.patience is not None:
            known = min(known, self.patience)
        path = [int(bins) for bins in best[known:]][::-1]
        self._waiting -= len(path)
        self._back = self._back[max(0, len(self._back) - self._waiting) :]
        return path


class VocoderStream:
    """One utterance on its way through the vocoder.

    Args:
        vocoder: in evaluation mode.
        frames: length of the whole utterance in frames.
        generator: source of the noise, as for `Vocoder.forward`.
        patience: see `PathFinder`.
    """

    def __init__(
        self,
        vocoder: Vocoder,
        frames: int,
        generator: torch.Generator | None = None,
        patience: int | None = PATIENCE,
    ) -> None:
        self.vocoder, self.frames = vocoder, frames
        device = vocoder.window.device
        self._pitch_reach = sum(block.right for block in vocoder.pitch.blocks)
        self._filter_reach = vocoder.embed.padding[0] + sum(block.right for block in vocoder.blocks)
        self._path = PathFinder(patience)
        self._mel = torch.zeros(0, MEL_BINS, device=device)
        self._scores = torch.zeros(0, PITCH_BINS, device=device)
        self._voicing = torch.zeros(0, device=device)
        self._f0 = torch.zeros(0, device=device)
        self._filters: list[Tensor] | None = None
        self._pulses = torch.zeros(0, device=device)
        self._cycles = 0.0
        padded = HOP_LENGTH * (frames + 2 * EDGE_FRAMES)
        self._noise = white_noise(torch.zeros(1, padded, device=device), generator)[0]
        self._done = 0

    @torch.inference_mode()
    def feed(self, mel: Tensor) -> Tensor:
        """Samples that are now final, following those of the last call.

        Args:
            mel: shape (frames, MEL_BINS), the next frames, natural log magnitude.

        Returns:
            shape (samples,), a whole number of hops, perhaps none; float32, on the CPU. After the last frame,
            HOP_LENGTH samples have come for each.

        Raises:
            ValueError: more frames than were announced.
        """
        self._mel = torch.cat([self._mel, mel.to(self._mel)])
        if len(self._mel) > self.frames:
            raise ValueError(f"{len(self._mel)} frames came, but {self.frames} were announced")
        self._extend_pitch()
        self._extend_filters()
        self._extend_pulses()
        return self._extend_samples()

    @property
    def _whole(self) -> bool:
        return len(self._mel) == self.frames

    def _final(self, known: int, reach: int) -> int:
        """Frames whose surroundings are known."""
        return known if known == self.frames else max(0, known - reach)

    def _extend_pitch(self) -> None:
        begin, reach = len(self._scores), self._pitch_reach
        end = self._final(len(self._mel), reach)
        if end > begin:
            first = max(0, begin - reach)
            scores, voicing = self.vocoder.pitch.scores(self._mel[None, first : end + reach])
            new = slice(begin - first, end - first)
            self._scores = torch.cat([self._scores, scores[0, new]])
            self._voicing = torch.cat([self._voicing, voicing[0, new]])
        weighted = self._scores[begin:] * self._voicing[begin:, None]
        path = torch.tensor(self._path.feed(weighted, self._whole), dtype=torch.long)
        done = len(self._f0)
        scores = self._scores[done : done + len(path)]
        f0 = self.vocoder.pitch.f0_along(path.to(scores.device)[None], scores[None])[0]
        self._f0 = torch.cat([self._f0, f0])

    def _extend_filters(self) -> None:
        begin = len(self._filters[0]) if self._filters else 0
        reach = self._filter_reach
        end = self._final(len(self._f0), reach)
        if end <= begin:
            return
        first = max(0, begin - reach)
        seen = slice(first, min(end + reach, len(self._f0)))
        filters = self.vocoder.filters(self._mel[None, seen], self._f0[None, seen], self._voicing[None, seen])
        parts = [part[0, begin - first : end - first] for part in filters]
        if self._filters is not None:
            parts = [torch.cat(pair) for pair in zip(self._filters, parts, strict=True)]
        self._filters = parts

    def _extend_pulses(self) -> None:
        """The excitation of the frames whose next frame is known, from before the first frame on."""
        known = len(self._f0)
        if not known:
            return
        f0 = self._padded(torch.arange(known + EDGE_FRAMES), self._f0)
        if known == self.frames:
            f0 = torch.cat([f0, f0[-1:].expand(EDGE_FRAMES)])
        begin = len(self._pulses) // HOP_LENGTH
        end = len(f0) if known == self.frames else len(f0) - 1
        if end <= begin:
            return
        first = max(0, begin - 1)
        new = slice(HOP_LENGTH * (begin - first), HOP_LENGTH * (end - first))
        hertz = sample_rate_f0(f0[None, first : end + 1])[:, new]
        cycles = self._cycles + (hertz / SAMPLE_RATE).cumsum(dim=1)
        self._cycles = float(cycles[0, -1].remainder(1.0))
        self._pulses = torch.cat([self._pulses, pulses(hertz, cycles)[0]])

    def _padded(self, places: Tensor, values: Tensor) -> Tensor:
        """Values of frames that are counted from `EDGE_FRAMES` before the first; the edges repeat."""
        return values[(places - EDGE_FRAMES).clamp(0, len(values) - 1).to(values.device)]

    def _extend_samples(self) -> Tensor:
        begin = self._done
        ready = len(self._filters[0]) if self._filters else 0
        end = ready if ready == self.frames else max(begin, ready - EDGE_FRAMES)
        if end == begin or self._filters is None:
            return torch.zeros(0)
        places = torch.arange(begin, end + 2 * EDGE_FRAMES)
        harmonic, phase, noise = (self._padded(places, part)[None] for part in self._filters)
        # One hop more than a window reaches, for the cut's zeros must not be seen.
        reach = _WINDOW_REACH + 1
        first = max(0, begin - reach)
        heard = slice(HOP_LENGTH * first, HOP_LENGTH * (end + 2 * EDGE_FRAMES + reach))
        new = slice(begin - first, end + 2 * EDGE_FRAMES - first)
        window = self.vocoder.window
        source = stft_frames(self._pulses[None, heard], window)[:, new]
        hiss = stft_frames(self._noise[None, heard], window)[:, new]
        spectrum = source * torch.polar(harmonic.exp(), phase) + hiss * noise.exp()
        edge = EDGE_FRAMES * HOP_LENGTH
        self._done = end
        return inverse_stft(spectrum, window)[0, edge:-edge].float().cpu()
