"""Readers of what users already have: one plug-in a layout, and one value for each sample."""

from dataset.readers.values import Box, Found, Reader, ReadOptions, Skipped, Span, Survey

__all__ = ["Box", "Found", "ReadOptions", "Reader", "Skipped", "Span", "Survey"]
