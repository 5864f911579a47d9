"""Mel spectrogram to waveform."""

from emotts.vocoder.model import Vocoder, VocoderConfig

__all__ = ["Vocoder", "VocoderConfig"]
