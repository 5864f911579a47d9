"""Emotion from a recording: how it is spoken, whoever speaks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emotts.config import StrictModel
from emotts.emotion.emotion import EMOTIONS, Emotion
from emotts.nn.convnext import ConvNeXtBlock
from emotts.timebase import SAMPLE_RATE

HEARD_BINS = 70
"""Mel bins, from the lowest, that lie under 8 kHz: emotional corpora carry nothing above it."""

PITCH_CHANNELS = 3
"""What is heard of the pitch: `pitch_channels`."""

_STACK = 4
_LEAST_WIDTH = 0.2
_DEPTH = 5.5  # nepers: 48 dB under the loud frames lies the background of a room
_LOUD = 0.9
_CENTRE, _SCALE = -2.5, 1.5


class EmotionEncoderConfig(StrictModel):
    """Sizes of the emotion encoder.

    Attributes:
        dim: channels.
        layers: convolution blocks, at 25 Hz.
        expansion: hidden channels of each block as a multiple of `dim`.
        embedding_dim: width of the style embedding, from which the emotion and, in training, the speaker
            is read.
        dropout: on the pooled statistics and on the embedding; training only.
    """

    dim: int = 128
    layers: int = 4
    expansion: int = 2
    embedding_dim: int = 64
    dropout: float = 0.1


class EmotionEncoder(nn.Module):
    """Convolutions and attentive statistics pooling (Okabe et al. 2018) to a style embedding and intensities.

    It cannot hear how loud a recording is, nor what lies above 8 kHz: both say more of the microphone.

    Attributes:
        low: shape (8,), share of an emotion that still counts as none; set by `calibrate`.
        high: shape (8,), share that counts as full intensity.
    """

    low: Tensor
    high: Tensor

    def __init__(self, config: EmotionEncoderConfig) -> None:
        super().__init__()
        self.config = config
        dim, width = config.dim, config.embedding_dim
        self.embed = nn.Linear(_STACK * (HEARD_BINS + PITCH_CHANNELS), dim)
        self.blocks = nn.ModuleList(ConvNeXtBlock(dim, 7, config.expansion) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim)
        self.attention = nn.Sequential(nn.Linear(dim, dim // 2), nn.Tanh(), nn.Linear(dim // 2, dim))
        self.project = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(2 * dim, width), nn.LayerNorm(width), nn.Tanh()
        )
        self.classify = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(width, 1 + len(EMOTIONS)))
        self.register_buffer("low", torch.zeros(len(EMOTIONS)))
        self.register_buffer("high", torch.ones(len(EMOTIONS)))

    def embedding(self, mel: Tensor, f0: Tensor, mask: Tensor | None = None) -> Tensor:
        """Style of recordings.

        Args:
            mel: shape (batch, frames, MEL_BINS), natural log magnitude; frames after the last multiple of 4
                are dropped.
            f0: shape (batch, frames), Hz, zero where unvoiced.
            mask: shape (batch, frames), True on content.

        Returns:
            shape (batch, embedding_dim), in (-1, 1).
        """
        batch, frames, _ = mel.shape
        frames -= frames % _STACK
        whole = mel.new_ones(batch, frames, dtype=torch.bool) if mask is None else mask[:, :frames]
        mask = whole[:, _STACK - 1 :: _STACK]  # a position counts where all of its frames do
        whole = mask.repeat_interleave(_STACK, dim=1)
        heard = level_out(mel[:, :frames, :HEARD_BINS], whole)
        x = torch.cat([heard, pitch_channels(f0[:, :frames], whole)], dim=-1)
        x = x.reshape(batch, frames // _STACK, -1)
        x = self.embed(x)
        for block in self.blocks:
            x = block(x, mask)
        x = self.norm(x).float()
        weights = self.attention(x).float().masked_fill(~mask[..., None], float("-inf")).softmax(dim=1)
        mean = (weights * x).sum(1)
        variance = (weights * (x - mean[:, None]).square()).sum(1)
        return self.project(torch.cat([mean, variance.clamp_min(1e-5).sqrt()], dim=-1)).float()

    def forward(self, mel: Tensor, f0: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits of neutral and of the eight emotions: shape (batch, 9); see `embedding`."""
        return self.classify(self.embedding(mel, f0, mask)).float()

    def shares(self, mel: Tensor, f0: Tensor, mask: Tensor | None = None) -> Tensor:
        """Share of listeners expected to hear each emotion: shape (batch, 8), with neutral's sums to one."""
        return self(mel, f0, mask).softmax(dim=-1)[:, 1:]

    def intensities(self, mel: Tensor, f0: Tensor, mask: Tensor | None = None) -> Tensor:
        """Calibrated intensities, shape (batch, 8), in [0, 1]."""
        return stretch(self.shares(mel, f0, mask), self.low, self.high)

    @torch.no_grad()
    def emotion(self, mel: Tensor, f0: Tensor) -> Emotion:
        """The emotion of one recording: mel (frames, MEL_BINS) and F0 (frames,), of at least 4 frames."""
        values = self.intensities(mel[None], f0[None])[0].clamp(0.0, 1.0).tolist()
        return Emotion(tuple(round(value, 4) for value in values))


def level_out(mel: Tensor, mask: Tensor) -> Tensor:
    """Log-mel relative to the level of its loud frames, its background cut off, at a common scale.

    Args:
        mel: shape (batch, frames, bins), natural log magnitude.
        mask: shape (batch, frames), True on content.

    Returns:
        same shape; a gain on the recording does not change it.
    """
    level = mel.float().logsumexp(dim=-1).masked_fill(~mask, float("-inf"))
    ordered = level.sort(dim=1, descending=True).values
    counts = mask.sum(1, keepdim=True)
    place = ((1 - _LOUD) * counts).long().clamp(max=mel.shape[1] - 1)
    loud = ordered.gather(1, place)[..., None]
    relative = (mel - loud).clamp_min(-_DEPTH - 1.0)
    return (relative - _CENTRE) / _SCALE


def pitch_channels(f0: Tensor, mask: Tensor) -> Tensor:
    """Voicing, pitch against 150 Hz, and pitch against the recording's own mean.

    Args:
        f0: shape (batch, frames), Hz, zero where unvoiced.
        mask: shape (batch, frames), True on content.

    Returns:
        shape (batch, frames, PITCH_CHANNELS); zero where unvoiced.
    """
    voiced = (f0 > 0) & mask
    pitch = (f0.float().clamp_min(1.0) / 150.0).log()
    count = voiced.sum(1, keepdim=True).clamp_min(1)
    mean = pitch.masked_fill(~voiced, 0.0).sum(1, keepdim=True) / count
    channels = torch.stack([torch.ones_like(pitch), 2.0 * pitch, 4.0 * (pitch - mean)], dim=-1)
    return channels.masked_fill(~voiced[..., None], 0.0)


def stretch(shares: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Linear from `low` (0) to `high` (1), cut off at both ends; all of shape (..., 8)."""
    return ((shares - low) / (high - low).clamp_min(1e-3)).clamp(0.0, 1.0)


def calibrate(shares: Tensor, votes: Tensor, neutral: Tensor) -> tuple[Tensor, Tensor]:
    """Where each emotion's intensity begins and is full, so that recordings use the whole range.

    The softmax of a model that is not sure stays far from 0 and 1. Intensity 0 lies above 85 % of what the
    model gives recordings that most listeners hear as neutral, and 1 at the upper quartile of what it gives
    those that most hear as the emotion; but the two are kept `_LEAST_WIDTH` apart, so that an emotion that
    the model can hardly hear stays weak and does not jump from none to full.

    Args:
        shares: shape (items, 8), of the model, on speakers that it was not trained on.
        votes: shape (items, 8), of the listeners.
        neutral: shape (items,), the listeners' share for neutral.

    Returns:
        low and high, each of shape (8,); an emotion that no recording is heard as gets a range above every
        share, so that it is never given.
    """
    heard = torch.cat([neutral[:, None], votes], dim=1).argmax(dim=1)
    low, high = torch.ones(len(EMOTIONS)), torch.full((len(EMOTIONS),), 2.0)
    calm = shares[heard == 0]
    for place in range(len(EMOTIONS)):
        moved = shares[heard == place + 1, place]
        if len(moved) < 5 or len(calm) < 5:
            continue
        low[place] = calm[:, place].quantile(0.85)
        high[place] = torch.maximum(moved.quantile(0.75), low[place] + _LEAST_WIDTH)
    return low, high


def analyse_recording(
    waveform: Tensor, rate: int, source: str = "the emotion recording"
) -> tuple[Tensor, Tensor]:
    """Log-mel (frames, MEL_BINS) and F0 (frames,) of a recording of any rate, (samples,), at most 15 s.

    Raises:
        AudioError: silent, or with less than a second of speech.
    """
    from emotts.audio.io import resample
    from emotts.audio.mel import LogMel
    from emotts.audio.pitch import extract_f0
    from emotts.voice.reference import speech_of_recording

    speech = speech_of_recording(resample(waveform, rate, SAMPLE_RATE), source)
    mel = LogMel()(speech[None])[0]
    return mel, extract_f0(speech, frames=len(mel))
