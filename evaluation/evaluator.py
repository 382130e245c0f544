"""The face of evaluation: measure a model on a test part, ask for metrics, draw figures. Also runs as a script.

``python evaluation/evaluator.py --model champion --test-data main@v3/test --metrics accuracy,precision,recall``
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.config import Config, EvaluationSection, ProjectSection, load_config
from ecosight.errors import InvalidInput, NotFound
from ecosight.plugins import load_plugin, open_modality
from ecosight.progress import NullProgress
from evaluation.comparing import Comparison, ModelComparator
from evaluation.errors.analyzer import ErrorAnalyzer
from evaluation.measuring import TestEntry, answer, measure
from evaluation.metrics import MetricCalculator
from evaluation.report import ClassificationReport, write_report
from evaluation.taught import taught_among

if TYPE_CHECKING:
    from ecosight.ports import BlobStore, Progress, Servable
    from evaluation.detection import DetectionReport
    from evaluation.metrics import AnyReport
    from evaluation.multilabel import MultilabelReport
    from evaluation.taught import Taught

__all__ = ["ErrorAnalyzer", "MetricCalculator", "ModelComparator", "ModelEvaluator", "Visualizer"]


class ModelEvaluator:
    """Measures the bytes that are served, from the raw bytes of the samples.

    Either hand over the parts (``servable``, ``entries``, ``blobs``), or say where they are (``model_path``,
    ``test_dataset``), or some of each.

    Args:
        model_path: folder with a servable artifact; or a registered model: its version (``3``), an alias
            (``champion``) or a ``models:/`` URI.
        test_dataset: ``main@v3/test``, ``v1.0.0/test``, …; found by the plug-in of ``ecosight.datasets``.
        metrics: names for ``calculate``; None takes the configured ones.
        config: None reads ``config.yaml`` and the environment where something has to be looked up by name,
            and takes the defaults where all parts were handed over.
        bootstrap_samples, seed: of the intervals; None takes the configured ones.
        caveats: what is wrong on purpose with handed-over samples, a sentence each; every report repeats them.

    Where the samples are found by ``test_dataset``, every report tells how many of them the model learned from.

    Raises: InvalidInput: neither the part nor its place is given, or an unknown metric.
        NotFound: there is no such folder, version or part.
    """

    def __init__(
        self,
        servable: Servable | None = None,
        entries: Sequence[TestEntry] | None = None,
        blobs: BlobStore | None = None,
        *,
        model_path: Path | str | None = None,
        test_dataset: str | None = None,
        metrics: Sequence[str] | None = None,
        config: Config | None = None,
        bootstrap_samples: int | None = None,
        seed: int | None = None,
        caveats: Sequence[str] = (),
    ) -> None:
        parts = servable is not None and entries is not None and blobs is not None
        settings = config or (None if parts else load_config())
        section = settings.evaluation if settings else EvaluationSection()
        self.metrics = MetricCalculator(section.metrics if metrics is None else metrics)
        self.servable = servable or _open_model(settings, model_path)
        self.entries, self.blobs, self.caveats = _open_data(settings, entries, blobs, test_dataset, caveats)
        self._settings, self._looked_up = settings, entries is None or blobs is None
        self._samples = section.bootstrap_samples if bootstrap_samples is None else bootstrap_samples
        self._seed = (settings.project if settings else ProjectSection()).seed if seed is None else seed

    def evaluate(self, progress: Progress | None = None) -> ClassificationReport:
        """Run the model over the samples and measure it.

        Raises: NotEnoughData: there are no samples. InputError, NotFound, IntegrityError: one of them cannot be
            read; the error names it. Cancelled: stopped between two batches.
        """
        return measure(
            self.servable,
            self.entries,
            self.blobs,
            progress or NullProgress(),
            bootstrap_samples=self._samples,
            seed=self._seed,
            caveats=self.caveats,
            taught=self._taught(self.servable),
        )

    @staticmethod
    def evaluate_detections(
        truth: Mapping[str, Any], found: Sequence[Mapping[str, Any]], **options: Any
    ) -> DetectionReport:
        """Measure what a detector found, as COCO writes both down: an annotation file and a list of results.

        Args:
            options: as of ``evaluate_detection``: groups, score_threshold, bootstrap_samples, seed, model_digest,
                caveats.
        Raises: InvalidInput: it is not of that form, or does not fit together. NotEnoughData: no pictures.
        """
        from evaluation.detection import evaluate_detection
        from evaluation.detection.coco import from_coco

        there, said, images, labels = from_coco(truth, found)
        return evaluate_detection(there, said, images, labels=labels, **options)

    @staticmethod
    def evaluate_labels(
        truth: Any, probabilities: Any, labels: Sequence[str], groups: Sequence[str], **options: Any
    ) -> MultilabelReport:
        """Measure a model that may say several labels a sample; see ``evaluation.multilabel.evaluate_multilabel``."""
        from evaluation.multilabel import evaluate_multilabel

        return evaluate_multilabel(truth, probabilities, labels, groups, **options)

    def compare_models(
        self,
        models: Sequence[Path | str | Servable],
        *,
        correction: str = "holm",
        progress: Progress | None = None,
    ) -> Comparison:
        """Ask several models about the same samples, and compare them; see ``evaluation.comparing``.

        Args:
            models: folders or registered models, as ``model_path``, or loaded ones. One alone is compared with the
                evaluator's own.
            correction: of p-values for many tests: holm, bonferroni, bh or none.
        Raises: as ``evaluate``; InvalidInput: no model is given, or the correction is unknown.
        """
        comparator = ModelComparator(correction=correction, bootstrap_samples=self._samples, seed=self._seed)
        if not models:
            raise InvalidInput(
                "no model was given to compare", hint="Give two or more, or one besides the evaluator's."
            )
        answered = []
        for model in [self.servable, *models] if len(models) == 1 else models:
            servable = _open_model(self._settings, model) if isinstance(model, str | Path) else model
            name = str(model) if isinstance(model, str | Path) else ""
            answered.append(
                answer(
                    servable,
                    self.entries,
                    self.blobs,
                    progress or NullProgress(),
                    model=name,
                    caveats=self.caveats,
                    taught=self._taught(servable),
                )
            )
        return comparator.compare(answered)

    def _taught(self, servable: Servable) -> Taught | None:
        """Of samples that were handed over, whoever did knows where they come from."""
        if not self._looked_up:
            return None
        settings = self._settings or load_config()
        return taught_among(servable.info, self.entries, lambda digest: _NamedVersion(settings, digest))


class Visualizer:
    """Draws a report of any kind: as PNG bytes, as one interactive page, or both into one folder."""

    def __init__(self, folder: Path | str = "./evaluation_report") -> None:
        self.folder = Path(folder)

    def draw(self, report: AnyReport, *, history: Mapping[str, Sequence[float]] | None = None) -> dict[str, bytes]:
        """Name -> PNG bytes of every figure; see ``evaluation.plots.draw_plots``."""
        from evaluation.plots import draw_plots

        return draw_plots(report, history=history)

    def page(self, report: AnyReport) -> str:
        """One HTML page that needs no network; see ``evaluation.page``."""
        from evaluation.page import report_page

        return report_page(report)

    def write(self, report: AnyReport, *, history: Mapping[str, Sequence[float]] | None = None) -> list[Path]:
        """report.json, then the figures and the page; see ``evaluation.plots.write_plots``. Returns: the files."""
        from evaluation.plots import write_plots

        return [write_report(report, self.folder), *write_plots(report, self.folder, history=history)]


def _open_model(config: Config | None, model_path: Path | str | None) -> Servable:
    if model_path is None:
        raise InvalidInput("no model was given to evaluate", hint="Give a servable, or model_path=FOLDER.")
    settings, folder = config or load_config(), Path(model_path)
    if not folder.is_dir():
        folder = _fetch_model(settings, str(model_path))
    return open_modality(settings).load_servable(folder)


def _fetch_model(config: Config, name: str) -> Path:
    """The folder of a registered model; what looks like a path is not asked for in the registry."""
    if name.startswith("models:/") or Path(name).name == name:
        fetched: Path = load_plugin("ecosight.models", "registered")(config, name)
        return fetched
    raise NotFound(
        f"there is no model folder {name!r}",
        hint="A model folder holds servable.json; a registered model is named by version, alias or models:/ URI.",
    )


def _open_data(
    config: Config | None,
    entries: Sequence[TestEntry] | None,
    blobs: BlobStore | None,
    test_dataset: str | None,
    caveats: Sequence[str],
) -> tuple[Sequence[TestEntry], BlobStore, tuple[str, ...]]:
    if entries is not None and blobs is not None:
        return entries, blobs, tuple(caveats)
    if test_dataset is None:
        raise InvalidInput("no test data was given", hint="Give entries and blobs, or test_dataset='main@v3/test'.")
    opened: Any = load_plugin("ecosight.datasets", "versions")(config or load_config(), test_dataset)
    return opened[0], opened[1], (*opened[2], *caveats)


class _NamedVersion:
    """A dataset version, each part of which is found by the plug-in of ``ecosight.datasets``."""

    def __init__(self, config: Config, digest: str) -> None:
        self._config, self._digest = config, digest

    def part(self, name: str) -> Sequence[TestEntry]:
        opened: Any = load_plugin("ecosight.datasets", "versions")(self._config, f"{self._digest}/{name}")
        found: Sequence[TestEntry] = opened[0]
        return found


if __name__ == "__main__":
    from evaluation.script import main

    sys.exit(main())
