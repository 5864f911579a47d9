"""Lips: when each phoneme of a text is said, by the mouth that is seen to say it."""
