"""What logging a training to MLflow costs: this project's batches against a loop of single calls.

Both write 100 parameters and 1,000 metrics (10 curves of 100 epochs) to stores of their own, made the same way, in
turns within one process. Prints a JSON object; ``ratio`` is loop / batches, medians over the rounds.

    python benchmarks/mlflow_logging.py --rounds 5
    python benchmarks/mlflow_logging.py --tracking-uri http://127.0.0.1:5000
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mlflow_integration.tracker import MLflowTracker

PARAMS = {f"setting_{index}": index * 0.1 for index in range(100)}
HISTORY = {f"curve_{curve}": [math.exp(-epoch / (curve + 5)) for epoch in range(100)] for curve in range(10)}


def batched(tracker: MLflowTracker) -> None:
    tracker.log_params(PARAMS)
    tracker.log_history(HISTORY)


def looped(tracker: MLflowTracker) -> None:
    """The way of MLflow's quick start: one call for each value."""
    run_id = tracker.run.run_id
    with tracker.run.connection.talking() as client:
        for name, value in PARAMS.items():
            client.log_param(run_id, name, value)
        for name, values in HISTORY.items():
            for epoch, value in enumerate(values):
                client.log_metric(run_id, name, value, step=epoch)


def seconds(work: Callable[[MLflowTracker], None], tracker: MLflowTracker) -> float:
    with tracker.start_run():
        began = time.perf_counter()
        work(tracker)
        return time.perf_counter() - began


def check(tracker: MLflowTracker) -> None:
    """Both ways must have recorded the same, or the comparison means nothing."""
    newest, before = tracker.experiments.runs(tracker.experiment_name, limit=2)
    if newest.params != before.params or newest.metrics != before.metrics or len(newest.params) != len(PARAMS):
        raise SystemExit("the two ways recorded different things")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tracking-uri", help="default: an embedded store in a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        uri = options.tracking_uri or f"sqlite:///{Path(folder) / 'mlflow.db'}"
        tracker = MLflowTracker(uri, "benchmark")
        with tracker.start_run():  # makes the store, imports MLflow
            tracker.log_metrics({"warm": 1.0})
        ours, theirs = [], []
        for _ in range(options.rounds):
            ours.append(seconds(batched, tracker))
            theirs.append(seconds(looped, tracker))
            check(tracker)
    figures = {
        "params": len(PARAMS),
        "metrics": sum(map(len, HISTORY.values())),
        "rounds": options.rounds,
        "batches_s": round(statistics.median(ours), 4),
        "batches_worst_s": round(max(ours), 4),
        "loop_s": round(statistics.median(theirs), 4),
        "ratio": round(statistics.median(theirs) / statistics.median(ours), 1),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
