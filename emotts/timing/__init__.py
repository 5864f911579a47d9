"""Timing: a whole number of 40 ms tokens for each phoneme."""

from emotts.timing.plan import TimingPlan

__all__ = ["TimingPlan"]
