"""Owns how a comparison is told to people, in lines of text."""

from __future__ import annotations

from evaluation.comparing.comparison import ALPHA, HEADLINES, Comparison, Contrast, Pair
from evaluation.comparing.correcting import CORRECTIONS
from evaluation.comparing.verdicts import told_p
from evaluation.estimates import Estimate
from evaluation.telling import caveat_lines, footnotes

__all__ = ["comparison_lines", "mcnemar_sentence", "signed", "spoken"]

_SPOKEN = {"macro_f1": "macro F1", "macro_auc": "macro AUC", "map": "mAP", "ece": "ECE"}
_SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "ece")


def comparison_lines(comparison: Comparison) -> list[str]:
    """The comparison for people: verdicts, ranking, figures, and the classes and slices that differ."""
    lines = [*(pair.verdict for pair in comparison.pairs), ""]
    where = f" of {comparison.data}" if comparison.data else ""
    lines.append(
        f"{comparison.n} samples in {comparison.group_count} groups{where}; 95% intervals over resampled groups"
    )
    lines += caveat_lines(comparison.caveats)
    width = max(len(model.name) for model in comparison.models)
    lines.append(f"  rank  {'model':{width}}  " + "".join(f"{spoken(name):25}" for name in _SHOWN).rstrip())
    for model in comparison.models:
        cells = "".join(f"{model.figures[name]!s:25}" for name in _SHOWN)
        lines.append(f"  {model.rank:4}  {model.name:{width}}  {cells}".rstrip())
        if model.ties:
            lines.append(f"        {'':{width}}  not distinguishable from {', '.join(model.ties)}")
    for pair in comparison.pairs:
        lines += ["", *_pair_lines(pair, comparison)]
    shown = [model.figures[name] for model in comparison.models for name in _SHOWN]
    shown += [pair.metrics[name].difference for pair in comparison.pairs for name in pair.metrics]
    return lines + footnotes(shown) + [f"note: {note}" for note in comparison.notes]


def spoken(name: str) -> str:
    """A figure's name for people."""
    return _SPOKEN.get(name, name.replace("_", " "))


def signed(estimate: Estimate) -> str:
    """A difference with its interval, each with its sign."""
    if estimate.value is None:
        return "undefined"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:+.3f}"
    mark = {"few groups": "~", "exact on groups": "*"}.get(estimate.basis or "", "")
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]{mark}"


def mcnemar_sentence(pair: Pair) -> str:
    """McNemar's test, its effect sizes, and whether to believe it."""
    found = pair.mcnemar
    told = f"only {pair.first} right {found.only_first}, only {pair.second} right {found.only_second}; "
    told += f"McNemar {told_p(found.p)}"
    if found.odds_ratio is not None and found.odds_low is not None:
        high = "∞" if found.odds_high is None else f"{found.odds_high:.2f}"
        told += f", odds ratio {found.odds_ratio:.2f} [{found.odds_low:.2f}, {high}]"
    if found.cohens_g is not None:
        told += f", Cohen's g {found.cohens_g:+.2f}"
    if not found.independent_samples:
        told += f"; it takes samples for independent, which these are not: by group {told_p(pair.group_p)}"
    return told


def _pair_lines(pair: Pair, comparison: Comparison) -> list[str]:
    lines = [f"{pair.second} minus {pair.first} (p {CORRECTIONS[comparison.correction]})"]
    for name in HEADLINES:
        contrast = pair.metrics.get(name)
        if contrast and contrast.difference.value is not None:
            lines.append(f"  {spoken(name):18} {_contrast(contrast)}")
    lines.append(f"  {mcnemar_sentence(pair)}")
    if pair.shared and pair.shared.n:
        lines.append(f"  over the {pair.shared.n} samples of classes that both know: {_contrast(pair.shared)}")
    lines += [f"  recall of {label}: {_contrast(each)}" for label, each in pair.classes.items() if _differs(each)]
    lines += [
        f"  where {each.fact} is {each.value or 'unknown'}: {_contrast(each.accuracy)}"
        for each in pair.slices
        if _differs(each.accuracy)
    ]
    return lines


def _contrast(contrast: Contrast) -> str:
    return f"{signed(contrast.difference):30} {told_p(contrast.corrected)}".rstrip(" –")


def _differs(contrast: Contrast) -> bool:
    return contrast.corrected is not None and contrast.corrected <= ALPHA
