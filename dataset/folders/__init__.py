"""Versions as folders of files."""
