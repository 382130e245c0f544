"""What the demo says at its end: what happened, with figures, and where to look further."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["DemoSummary"]


@dataclass(slots=True, kw_only=True)
class DemoSummary:
    """Filled step by step as the demo runs."""

    folder: Path
    config_file: Path
    threshold: int
    ingest: dict[str, Any] = field(default_factory=dict)
    first: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)
    uploads: dict[str, Any] = field(default_factory=dict)
    second: dict[str, Any] = field(default_factory=dict)
    swap_s: float | None = None
    load: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    took_s: float = 0.0

    @property
    def ok(self) -> bool:
        """The loop closed: the retrained model was let in, is served, and no request failed on the way."""
        return self.swap_s is not None and not self.load.get("failed") and self.load.get("requests", 0) > 0

    def as_dict(self) -> dict[str, Any]:
        names = ("ingest", "first", "asked", "uploads", "second", "swap_s", "load", "status")
        parts = {name: getattr(self, name) for name in names}
        return {"ok": self.ok, "folder": str(self.folder), "took_s": round(self.took_s, 1), **parts}

    def lines(self) -> list[str]:
        """For people."""
        tracking = f"sqlite:///{self.folder / 'project' / 'mlflow.db'}"
        served = self.load.get("answers_by_version", {})
        return [
            "",
            f"What happened in {self.took_s:.0f} s, with the embedder logmel (no pretrained weights):",
            f"  ingested   {self.ingest['accepted']} recordings, {self.ingest['duplicates']} duplicates skipped",
            f"  trained    {_model(self.first)}",
            f"  served     {self.asked['right']} of {self.asked['clips']} clips right over HTTP, "
            f"{self.asked['median_ms']} ms at the median; truths told back",
            f"  uploaded   {self.uploads.get('accepted', 0)} new recordings; "
            f"the threshold of {self.threshold} started the retraining",
            f"  retrained  {_model(self.second)}",
            *(f"             {reason}" for reason in self.second["reasons"]),
            self._swap_line(),
            f"  under load {self.load['requests']} requests, {sum(self.load['failed'].values())} failed, "
            f"p50 {self.load['p50_ms']} ms, p99 {self.load['p99_ms']} ms (training on the same cores); "
            + ", ".join(f"{count} by v{version}" for version, count in sorted(served.items())),
            "",
            "Look further:",
            f"  ecosight -c {_short(self.config_file)} serve            then http://127.0.0.1:8000/docs and /status",
            f"  ecosight -c {_short(self.config_file)} retrain history",
            f"  ecosight -c {_short(self.config_file)} dataset show",
            f"  ecosight -c {_short(self.config_file)} evaluate",
            f"  mlflow ui --backend-store-uri {tracking}",
            "(the commands lie in .venv/bin; `. .venv/bin/activate` puts them on the path)",
        ]

    def _swap_line(self) -> str:
        if self.swap_s is None:
            return "  swapped    not: the gate kept the first model"
        return f"  swapped    to version {self.second['model_version']} while clients were asking"


def _model(record: dict[str, Any]) -> str:
    return (
        f"version {record['model_version']} on {record['dataset']}: {record['total_samples']} recordings, "
        f"{record['epochs_trained']} epochs, test accuracy {record['accuracy']:.3f}, {record['verdict']}"
    )


def _short(path: Path) -> Path:
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
