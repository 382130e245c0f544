"""The default engine: ONNX Runtime in float32, the same code that every artifact carries."""

from __future__ import annotations

from pathlib import Path

from modalities.sound.runtime import Runner, open_session, session_runner

__all__ = ["open_runner"]


def open_runner(model: Path, threads: int) -> Runner:
    """The whole graph in one session."""
    return session_runner(open_session(model), threads=threads)
