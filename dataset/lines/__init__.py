"""The lines that a dataset grows on: branches, tags, history, and what is staged for the next version."""
