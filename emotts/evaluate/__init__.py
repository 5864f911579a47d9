"""Measures of synthesised speech, each beside the same measure of natural recordings."""
