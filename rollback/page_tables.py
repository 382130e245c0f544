"""The tables of an incident's page: rates at each stage, worst slices, failed requests, samples, training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from html import escape
from typing import Any

__all__ = ["dataset_section", "failed_section", "review_section", "slices_section", "stages_section"]

Report = Mapping[str, Any]
Row = tuple[Sequence[str], bool, AbstractSet[int]]
"""Cells, whether it is bad, and which cells say so."""
_METRICS = {"errors": "failed", "slow": "slow", "wrong": "wrong"}


def stages_section(report: Report) -> str:
    """Bad clients of both arms at each share."""
    rows: list[Row] = []
    for stage in report["stages"]:
        ours, theirs = _rate(stage, "candidate"), _rate(stage, "control")
        bad = ours is not None and theirs is not None and ours > 1.25 * theirs and stage["candidate_bad"] >= 5
        cells = [
            _METRICS.get(stage["metric"], stage["metric"]),
            f"{stage['share']:.1%}",
            _percent(ours),
            f"{stage['candidate_bad']:,} of {stage['candidate_units']:,}",
            _percent(theirs),
            f"{stage['control_bad']:,} of {stage['control_units']:,}",
        ]
        rows.append((cells, bad, {2}))
    head = ["Clients", "Share of the two arms", "Candidate", "", "Control", ""]
    note = "A client counts once, by its first bad answer. Pooled over shares, a busy hour would look like harm."
    return _table("Rates at each stage", head, rows, numbers={1, 2, 3, 4, 5}, note=note)


def slices_section(report: Report) -> str:
    """Where it was worst."""
    rows: list[Row] = []
    for row in report["slices"]:
        cells = [
            f"{row['slice']} = {row['value']}",
            f"{row['candidate_bad']:,} of {row['candidate_units']:,}",
            f"{row['control_bad']:,} of {row['control_units']:,}",
            "–" if row["ratio"] is None else f"{row['ratio']:.2g}×",
            "sure" if row["sure"] else "perhaps chance",
        ]
        rows.append((cells, row["sure"], {3}))
    head = ["Slice", "Candidate, bad", "Control, bad", "Ratio", "After correction"]
    return _table("Worst slices", head, rows, numbers={1, 2, 3})


def failed_section(report: Report) -> str:
    """Requests that it failed, each with the id by which it can be looked up."""
    told = {"late": "too late", "crash": "process died", "non_finite": "not finite", "unavailable": "not loaded"}
    rows: list[Row] = []
    for each in report["failed"]:
        cells = [
            each["at"][11:23],
            each["prediction_id"],
            told.get(each["fault"], each["fault"]),
            f"{each['latency_ms']:.0f} ms",
            each["answered_by"],
        ]
        rows.append((cells, False, set()))
    head = ["At", "Prediction", "What failed", "After", "Answered by"]
    note = "Each was answered all the same, by the arm named last." if rows else ""
    return _table("Requests that it failed", head, rows, numbers={3}, code={1}, note=note)


def review_section(report: Report) -> str:
    """What annotation may take as it is."""
    rows: list[Row] = []
    for each in report["review"]:
        cells = [
            str(each.get("sample_id", "")),
            str(each.get("label", "")),
            str(each.get("champion_label", "")),
            str(each.get("truth", "") or "–"),
            str(each.get("why", "")),
        ]
        rows.append((cells, False, set()))
    head = ["Sample", "It said", "Champion said", "Truth", "Why it is here"]
    return _table("Samples to review", head, rows, code={0})


def dataset_section(report: Report) -> str:
    """What the two models learned from, and where that differs."""
    diff = report["dataset_diff"]
    if not diff:
        return ""
    classes = diff.get("classes", {})
    rows: list[Row] = []
    for label, counts in sorted(classes.items(), key=lambda item: -abs(item[1]["after"] - item[1]["before"])):
        change = counts["after"] - counts["before"]
        cells = [label, f"{counts['before']:,}", f"{counts['after']:,}", f"{change:+,}" if change else "–"]
        rows.append((cells, False, set()))
    parts = [f"{diff[name]:,} {name}" for name in ("added", "removed", "relabelled") if isinstance(diff.get(name), int)]
    note = f"{diff.get('before', '?')} → {diff.get('after', '?')}" + (f": {', '.join(parts)}" if parts else "")
    if diff.get("unknown"):
        note += f". They cannot be compared: {diff['unknown']}."
    return _table(
        "Training data of both models",
        ["Class", "Before", "After", "Change"],
        rows,
        numbers={1, 2, 3},
        note=note,
        keep=True,
    )


def _table(
    title: str,
    head: Sequence[str],
    rows: Sequence[Row],
    *,
    numbers: AbstractSet[int] = frozenset(),
    code: AbstractSet[int] = frozenset(),
    note: str = "",
    keep: bool = False,
) -> str:
    """A section with a table; nothing where there is nothing."""
    if not rows and not keep:
        return ""
    heads = "".join(f'<th class="{"n" if i in numbers else ""}">{escape(name)}</th>' for i, name in enumerate(head))
    body = ""
    for cells, bad, strong in rows:
        drawn = ""
        for i, cell in enumerate(cells):
            kinds = " ".join(name for name, on in (("n", i in numbers), ("strong", i in strong)) if on)
            text = f"<code>{escape(cell)}</code>" if i in code else escape(cell)
            drawn += f'<td class="{kinds}">{text}</td>'
        body += f'<tr class="{"bad" if bad else ""}">{drawn}</tr>'
    told = f'<p class="muted">{escape(note)}</p>' if note else ""
    table = (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>' if rows else ""
    )
    return f"<section><h2>{escape(title)}</h2>{told}{table}</section>"


def _rate(stage: Mapping[str, Any], arm: str) -> float | None:
    units = stage[f"{arm}_units"]
    return stage[f"{arm}_bad"] / units if units else None


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.2%}"
