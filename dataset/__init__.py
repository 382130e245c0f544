"""Labelled recordings: taken in, versioned and split. The face is ``dataset.manager``."""
