"""Pushing and pulling: versions moved between two stores."""
