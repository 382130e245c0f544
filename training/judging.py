"""Owns measuring a candidate and its champion alike, and asking the gate: the same for every way to become champion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ecosight.ports import BlobStore, Progress, Servable
from ecosight.values import ModelRef
from training.parts import RetrainingParts

if TYPE_CHECKING:
    from dataset.versions import Entry
    from evaluation.classification import ClassificationReport
    from evaluation.gates import GateDecision
    from evaluation.predictions import Predictions
    from evaluation.speed import SpeedReport

__all__ = ["Judgement", "LabelledPart", "judge", "measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPart:
    """Labelled samples, and where their bytes are.

    ``version``: digest of the dataset version whose test part they are; empty where they are something else.
    """

    entries: Sequence[Entry]
    blobs: BlobStore
    caveats: tuple[str, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The gate's decision, and the candidate's speed where it was measured."""

    decision: GateDecision
    speed: SpeedReport | None


def measure(
    parts: RetrainingParts, servable: Servable, test: LabelledPart, progress: Progress
) -> tuple[ClassificationReport, Predictions]:
    """Measure a servable model on raw files. Returns: the report, and the answers behind it."""
    from evaluation.measuring import answer
    from evaluation.taught import taught_among

    taught = taught_among(servable.info, test.entries, parts.datasets.get, own=test.version)
    answered = answer(servable, test.entries, test.blobs, progress, caveats=test.caveats, taught=taught)
    config = parts.config
    report = answered.report(bootstrap_samples=config.evaluation.bootstrap_samples, seed=config.project.seed)
    return report, answered


def judge(
    parts: RetrainingParts,
    folder: Path,
    measured: tuple[ClassificationReport, Predictions],
    champion: ModelRef | None,
    test: LabelledPart,
    progress: Progress,
    *,
    min_accuracy: float,
    engine: str = "default",
) -> Judgement:
    """Measure the champion on the same samples, the speed of both where a rule asks for it, and decide.

    Args:
        folder: the candidate's artifact. measured: what ``measure`` gave for it.
        engine: that the candidate was measured with, and the champion is.
    """
    from evaluation.gates import Measured, judge_candidate, needs_speed
    from evaluation.speed import measure_speed, samples_for_speed

    settings, speeds = parts.config.evaluation, {}
    asked, same = needs_speed(settings), champion is not None and champion.digest == measured[0].model_digest
    rival, folders = None, {"candidate": folder}
    if champion is not None:
        held = parts.registry.fetch(champion)
        rival = measured
        if not same:
            rival = measure(parts, parts.modality.load_servable(held, engine=engine), test, progress)
            folders |= {"champion": held} if asked else {}
    if asked or settings.benchmark_fps:
        samples = samples_for_speed(test.entries, test.blobs)
        reports = measure_speed(list(folders.values()), samples, parts.config, progress)
        speeds = dict(zip(folders, reports, strict=True))
    speed = speeds.get("candidate")
    decision = judge_candidate(
        Measured(report=measured[0], predictions=measured[1], speed=speed),
        None
        if rival is None
        else Measured(report=rival[0], predictions=rival[1], speed=speed if same else speeds.get("champion")),
        settings,
        min_accuracy=min_accuracy,
        seed=parts.config.project.seed,
    )
    return Judgement(decision=decision, speed=speed)
