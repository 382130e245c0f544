"""Owns the quality of samples: measured once for each (sample, meter), kept in a cache, and told as facts."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dataset.sample_cache import Bytes, CacheFile, compute
from ecosight.ports import Progress, QualityMeter

__all__ = ["GOOD", "UNREADABLE", "Qualities", "QualityStore", "QualitySummary", "quality_facts", "summarise_quality"]

GOOD = "good"
UNREADABLE = "unreadable"
_EXAMPLES = 20
_IDS_A_QUERY = 500
_TABLE = "CREATE TABLE IF NOT EXISTS quality (id TEXT PRIMARY KEY, crc INTEGER NOT NULL, figures TEXT NOT NULL)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualities:
    """The figures of samples; unreadable: sample id -> why; how many were measured now, and how many before."""

    figures: Mapping[str, Mapping[str, float]]
    unreadable: Mapping[str, str]
    computed: int
    cached: int


class QualityStore:
    """A cache: a row that does not match its checksum is measured again; it may be deleted at any time.

    Args:
        folder: holds nothing but such caches. workers: samples at a time; None: one for each core.
    """

    def __init__(self, folder: Path, meter: QualityMeter, blobs: Bytes, *, workers: int | None = None) -> None:
        name = hashlib.sha256(meter.digest.encode()).hexdigest()[:32]
        self._cache = CacheFile(folder / f"{name}.sqlite", _TABLE, what="cache of quality figures")
        self.meter, self._blobs, self._workers = meter, blobs, workers

    def collect(self, sample_ids: Sequence[str], progress: Progress) -> Qualities:
        """The figures of samples, measured only where they are not in the cache.

        A sample that cannot be read is named in the result and costs the others nothing.
        Raises: Unavailable: the cache cannot be written. Cancelled: what was measured stays.
        """
        with self._cache.open() as connection:
            found = _read(connection, sample_ids)
            missing = [each for each in sample_ids if each not in found]
            keep = partial(_write, connection)
            unreadable = compute(
                self._measured, missing, keep, task="measuring quality", workers=self._workers, progress=progress
            )
            found |= _read(connection, missing)
        return Qualities(
            figures=found,
            unreadable=unreadable,
            computed=len(missing) - len(unreadable),
            cached=len(sample_ids) - len(missing),
        )

    def _measured(self, sample_id: str) -> Mapping[str, float]:
        return self.meter.quality(self._blobs.get(sample_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySummary:
    """The quality of a version's samples, or of those that were looked at.

    Attributes:
        looked_at, of: samples; fewer than all are the first by digest, which is as good as drawn by lot.
        flags: flag -> samples; a sample may have several. good: samples without any.
        rules, units: what flags and figures mean.
        by_class: class -> (samples looked at, samples with a flag).
        quantiles: figure -> its 5th, 50th and 95th percentile.
        examples: flag -> sample ids, at most 20.
        unreadable: sample id -> why.
    """

    looked_at: int
    of: int
    flags: Mapping[str, int]
    good: int
    rules: Mapping[str, str]
    units: Mapping[str, str]
    by_class: Mapping[str, tuple[int, int]]
    quantiles: Mapping[str, tuple[float, float, float]]
    examples: Mapping[str, Sequence[str]]
    unreadable: Mapping[str, str]
    computed: int
    cached: int


def quality_facts(qualities: Qualities, meter: QualityMeter) -> dict[str, dict[str, str]]:
    """``{"quality": {sample id: "clipped, quiet"}}``, for slices: ``good`` without a flag, else its flags.

    It fits ``evaluation.facts.facts_of(..., more=...)``; samples that were not looked at are left out.
    """
    told = {
        sample_id: ", ".join(meter.flags(figures)) or GOOD for sample_id, figures in sorted(qualities.figures.items())
    }
    return {"quality": told | dict.fromkeys(sorted(qualities.unreadable), UNREADABLE)}


def summarise_quality(
    labels: Mapping[str, str], qualities: Qualities, meter: QualityMeter, *, of: int
) -> QualitySummary:
    """The summary of what was measured.

    Args:
        labels: sample id -> class, of all that were looked at. of: samples of the version.
    """
    import numpy as np

    facts = quality_facts(qualities, meter)["quality"]
    examples: dict[str, list[str]] = {}
    flags: Counter[str] = Counter()
    looked: Counter[str] = Counter(labels[sample_id] for sample_id in facts)
    flawed: Counter[str] = Counter(labels[sample_id] for sample_id, told in facts.items() if told != GOOD)
    for sample_id, told in facts.items():
        for flag in told.split(", ") if told != GOOD else ():
            flags[flag] += 1
            if flags[flag] <= _EXAMPLES:
                examples.setdefault(flag, []).append(sample_id)
    columns = {name: np.array([each[name] for each in qualities.figures.values()]) for name in meter.units}
    return QualitySummary(
        looked_at=len(facts),
        of=of,
        flags={name: flags[name] for name in (*meter.rules, UNREADABLE)},
        good=sum(told == GOOD for told in facts.values()),
        rules={**meter.rules, UNREADABLE: "the sample cannot be read any more"},
        units=dict(meter.units),
        by_class={label: (looked[label], flawed[label]) for label in sorted(looked)},
        quantiles={name: _three(values) for name, values in columns.items() if len(values)},
        examples=examples,
        unreadable=dict(qualities.unreadable),
        computed=qualities.computed,
        cached=qualities.cached,
    )


def _three(values: Any) -> tuple[float, float, float]:
    import numpy as np

    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return float(low), float(middle), float(high)


def _read(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Mapping[str, float]]:
    """What is there and whole."""
    found: dict[str, Mapping[str, float]] = {}
    for start in range(0, len(ids), _IDS_A_QUERY):
        some = ids[start : start + _IDS_A_QUERY]
        marks = ",".join("?" * len(some))
        query = f"SELECT id, crc, figures FROM quality WHERE id IN ({marks})"  # noqa: S608
        for sample_id, crc, figures in connection.execute(query, some):
            if zlib.crc32(str(figures).encode()) == crc:
                found[sample_id] = json.loads(figures)
    return found


def _write(connection: sqlite3.Connection, made: Mapping[str, Mapping[str, float]]) -> None:
    told = {sample_id: json.dumps(dict(each), allow_nan=False) for sample_id, each in made.items()}
    rows = [(sample_id, zlib.crc32(text.encode()), text) for sample_id, text in told.items()]
    with connection:
        connection.executemany("INSERT OR REPLACE INTO quality VALUES (?, ?, ?)", rows)
