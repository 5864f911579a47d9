"""Acoustic decoder: semantic tokens to log-mel spectrograms by conditional flow matching."""
