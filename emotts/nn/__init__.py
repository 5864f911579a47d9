"""Layers that several models share. Tensors are (batch, time, channels); masks are True on content."""
