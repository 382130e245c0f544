"""Owns what ``python evaluation/evaluator.py`` understands and prints."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from ecosight.config import load_config
from ecosight.errors import EcosightError, exit_code
from ecosight.progress import terminal_progress
from evaluation.evaluator import ModelEvaluator, Visualizer
from evaluation.output import require_writable
from evaluation.report import report_lines

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The script. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        require_writable(options.output)
        evaluator = ModelEvaluator(
            model_path=options.model,
            test_dataset=options.test_data,
            metrics=options.metrics.split(",") if options.metrics else None,
            config=load_config(options.config),
        )
        report = evaluator.evaluate(terminal_progress())
        figures = evaluator.metrics.calculate(report)
        files = [str(file) for file in Visualizer(options.output).write(report)] if options.output else []
    except EcosightError as error:
        print(f"error: {error.message}", *([f"hint: {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)
        return exit_code(error)
    if options.json:
        metrics = {name: {"value": e.value, "low": e.low, "high": e.high} for name, e in figures.items()}
        print(json.dumps({"metrics": metrics, "report": report.as_dict(), "files": files}, indent=2))
    else:
        width = max(map(len, figures))
        print(*(f"{name:{width}}  {estimate}" for name, estimate in figures.items()), "", sep="\n")
        print(*report_lines(report), *(f"wrote {file}" for file in files), sep="\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="evaluation/evaluator.py", description="Measure a model on a test part.")
    parser.add_argument(
        "--model", required=True, metavar="MODEL", help="a version, an alias, models:/NAME/VERSION, or a folder"
    )
    parser.add_argument("--test-data", default="", metavar="VERSION/PART", help="such as main@v3/test [newest/test]")
    parser.add_argument("--metrics", metavar="A,B,…", help="metrics to print first [evaluation.metrics]")
    parser.add_argument("--output", metavar="FOLDER", help="write report.json and the figures there")
    parser.add_argument("--config", metavar="FILE", help="configuration file [config.yaml]")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser
