"""Which engine answers: by name, or the quickest of those that give the right answers here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecosight.errors import NotFound, Refused, Unavailable
from ecosight.logs import get_logger
from ecosight.values import ParityReport
from modalities.sound.engines import onnx_runtime, openvino
from modalities.sound.runtime import Runner, usable_threads

__all__ = ["ENGINES", "Engine", "Examples", "Opened", "ask", "compare", "open_engine"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One way to compute a graph.

    Attributes:
        tolerance: largest difference of any probability from the reference that is accepted.
        open: ``(model.onnx, threads) -> Runner``; raises Unavailable where it is not installed.
    """

    name: str
    tolerance: float
    open: Callable[[Path, int], Runner]


ENGINES = {
    engine.name: engine
    for engine in (
        # Measured with YAMNet on clips of ESC-10: 1e-5 in float32. In bfloat16 (8 bits of mantissa) the embeddings
        # are off by 1%: of 720 answers (240 clips, three heads) one was off by more than 0.04, one near tie flipped.
        Engine(name="onnxruntime", tolerance=1e-3, open=onnx_runtime.open_runner),
        Engine(name="openvino", tolerance=1e-3, open=openvino.open_float32),
        Engine(name="openvino-bf16", tolerance=0.04, open=openvino.open_bfloat16),
    )
}
DEFAULT = "onnxruntime"
_WORTH_IT = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Real waveforms and what the reference says about them, float32 (n, classes)."""

    waveforms: Sequence[Floats]
    probabilities: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An engine that was opened on a model, and how it did on the examples."""

    engine: Engine
    runner: Runner
    parity: ParityReport


def open_engine(name: str, model: Path, examples: Examples, *, threads: int | None = None) -> Opened:
    """Open a model with an engine and compare it with the examples.

    Args:
        name: ``default``, a name in ``ENGINES``, or ``fastest``.
    Raises: NotFound: no such engine. Unavailable: not installed. Refused: wrong answers.
    """
    if name == "fastest":
        return _fastest(model, examples, threads)
    name = DEFAULT if name == "default" else name
    if name not in ENGINES:
        raise NotFound(f"there is no engine {name!r}", hint=f"Known: default, fastest, {', '.join(ENGINES)}.")
    return _open(ENGINES[name], model, examples, threads)


def ask(runner: Runner, examples: Examples) -> Floats:
    """The answers to the examples, float32 (n, classes): one after the other, on this thread alone.

    Models are opened beside clients who are being answered, so this takes one core at most. And threads that were
    started here would keep the little urgency of whoever opens the model.
    """
    return np.concatenate([runner.run([waveform], "probabilities") for waveform in examples.waveforms])


def compare(reference: Floats, answers: Floats, *, engine: Engine) -> ParityReport:
    """How far answers lie from the reference, both (n, classes)."""
    error = float(np.abs(reference - answers).max())
    changed = int((reference.argmax(axis=1) != answers.argmax(axis=1)).sum())
    return ParityReport(
        reference="tensorflow",
        engine=engine.name,
        samples=len(reference),
        max_probability_error=error,
        changed_labels=changed,
        tolerance=engine.tolerance,
        passed=changed == 0 and error <= engine.tolerance,
    )


def _open(engine: Engine, model: Path, examples: Examples, threads: int | None) -> Opened:
    runner = engine.open(model, threads or usable_threads())
    report = compare(examples.probabilities, ask(runner, examples), engine=engine)
    if not report.passed:
        raise Refused(
            f"engine {engine.name} differs from the model on its own examples: {report.changed_labels} of "
            f"{report.samples} labels changed, probabilities off by up to {report.max_probability_error:.2g} "
            f"(at most {report.tolerance:g} is accepted)",
            hint="Use serving.engine: default.",
            **asdict(report),
        )
    return Opened(engine=engine, runner=runner, parity=report)


def _fastest(model: Path, examples: Examples, threads: int | None) -> Opened:
    measured: dict[str, float] = {}
    passed_over: dict[str, str] = {}
    for engine in ENGINES.values():
        try:
            # One at a time: nothing keeps a measured engine, so its memory is free before the next is opened.
            runner = _open(engine, model, examples, threads).runner
            measured[engine.name] = _seconds_a_clip(runner, examples.waveforms)
            del runner
        except (Unavailable, Refused) as error:
            passed_over[engine.name] = error.message
    if not measured:
        raise Refused("no engine gives the model's own answers on this machine", hint="Train and register it again.")
    best = _best(measured)
    get_logger("sound").info(
        "engine chosen",
        engine=best,
        ms_a_clip={name: round(1e3 * seconds, 2) for name, seconds in measured.items()},
        **({"passed_over": passed_over} if passed_over else {}),
    )
    return _open(ENGINES[best], model, examples, threads)


def _best(measured: dict[str, float]) -> str:
    """The quickest; the engines stand in the order of trust, and a later one has to be worth it."""
    best, *others = measured
    for name in others:
        if measured[name] < _WORTH_IT * measured[best]:
            best = name
    return best


def _seconds_a_clip(runner: Runner, waveforms: Sequence[Floats]) -> float:
    """The least of several runs: what others do on the machine can only make one slower."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        runner.run(waveforms, "probabilities")
        times.append(time.perf_counter() - began)
    return min(times) / len(waveforms)
