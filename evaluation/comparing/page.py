"""Owns the comparison as one HTML page that needs no server, no network and no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from evaluation.comparing.comparison import ALPHA, LOSSES, Comparison, Contrast, Pair
from evaluation.comparing.correcting import CORRECTIONS
from evaluation.comparing.telling import mcnemar_sentence, signed, spoken
from evaluation.comparing.verdicts import told_p
from evaluation.estimates import Estimate

__all__ = ["comparison_page"]

_MOST_SAMPLES = 200
_SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "map", "macro_auc", "log_loss", "ece")
_STYLE = """
.verdict { font-size: 16px; border-left: 4px solid #c3ccd3; padding: 6px 12px; margin: 10px 0; }
.verdict.told { color: inherit; border-color: var(--blue); }
.better { color: var(--blue); font-weight: 600; } .worse { color: #a85a14; font-weight: 600; }
summary { cursor: pointer; font-weight: 600; margin: 14px 0 6px; }
th { cursor: default; } td.names { white-space: normal; }
"""


def comparison_page(comparison: Comparison) -> str:
    """The page. Names and labels are data, never markup."""
    about = f"{comparison.n:,} samples in {comparison.group_count:,} groups"
    about += f" of {comparison.data}" if comparison.data else ""
    about += "; 95% intervals over resampled groups; p-values by group, " + CORRECTIONS[comparison.correction]
    css = files("evaluation.page").joinpath("page.css").read_text("utf-8")
    parts = [
        f"<header><h1>Comparison of {len(comparison.models)} models</h1><p>{escape(about)}</p>",
        *(f'<p class="caveat">{escape(caveat)}</p>' for caveat in comparison.caveats),
        "</header><main>",
        *(_verdict(pair) for pair in comparison.pairs),
        *(f'<p class="told">{escape(note)}</p>' for note in comparison.notes),
        _models(comparison),
        *(_pair(pair, opened=len(comparison.pairs) == 1) for pair in comparison.pairs),
        "</main>",
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>Comparison of {len(comparison.models)} models</title><style>{css}{_STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _verdict(pair: Pair) -> str:
    return f'<p class="verdict{" told" if pair.better else ""}">{escape(pair.verdict)}.</p>'


def _models(comparison: Comparison) -> str:
    names = [name for name in _SHOWN if any(model.figures[name].value is not None for model in comparison.models)]
    rows = [
        [
            str(model.rank),
            escape(model.name),
            *(_interval(model.figures[name]) for name in names),
            escape(", ".join(model.ties)) or "–",
        ]
        for model in comparison.models
    ]
    heads = ["rank", "model", *map(spoken, names), "ties with"]
    told = "rank: 1 + how many models are shown to be more accurate; ties: models that it cannot be told apart from"
    return _section("Models", told, _table(heads, rows))


def _pair(pair: Pair, *, opened: bool) -> str:
    first, second = escape(pair.first), escape(pair.second)
    wide = _widest(pair.metrics.values())
    metrics = [[spoken(name), *_cells(each, wide, name in LOSSES)] for name, each in pair.metrics.items()]
    wide = _widest(pair.classes.values())
    classes = [[escape(label), *_cells(each, wide)] for label, each in pair.classes.items()]
    wide = _widest(each.accuracy for each in pair.slices)
    slices = [
        [escape(each.fact), escape(each.value or "unknown"), *_cells(each.accuracy, wide)] for each in pair.slices
    ]
    heads = [first, second, "difference", "", "p", "samples", "groups"]
    shared = f"{escape(mcnemar_sentence(pair))}."
    if pair.shared and pair.shared.n:
        shared += (
            f" Over the {pair.shared.n} samples of classes that both know: {escape(signed(pair.shared.difference))},"
        )
        shared += f" {told_p(pair.shared.corrected)}."
    blocks = [_table(["figure", *heads], metrics), f'<p class="told">{shared}</p>']
    blocks.append(_details("Recall by class", _table(["class", *heads], classes), opened))
    if slices:
        blocks.append(_details("Accuracy by slice", _table(["fact", "value", *heads], slices), opened))
    blocks.append(_details(*_samples(pair), opened=False))
    return _section(f"{second} minus {first}", "full interval lines: shown after correction", *blocks)


def _samples(pair: Pair) -> tuple[str, str]:
    shown = pair.disagreements[:_MOST_SAMPLES]
    heads = ["sample", "group", "truth", escape(pair.first), escape(pair.second)]
    rows = [
        [escape(each.source or each.sample_id[:12]), escape(each.group), escape(each.truth)]
        + [_answer(each.answers[k], each.confidences[k], each.right == k + 1) for k in range(2)]
        for each in shown
    ]
    title = f"{len(pair.disagreements)} samples that one alone answers right"
    if len(shown) < len(pair.disagreements):
        title += f"; the {len(shown)} where the wrong one was surest"
    return title, _table(heads, rows)


def _answer(label: str, confidence: float, right: bool) -> str:
    return f'<span class="{"better" if right else "worse"}">{escape(label)}</span> {confidence:.2f}'


def _cells(contrast: Contrast, widest: float, less_is_better: bool = False) -> list[str]:
    values = ["–" if value is None else f"{value:.3f}" for value in (contrast.first, contrast.second)]
    p = told_p(contrast.corrected).removeprefix("p ").removeprefix("= ")
    return [
        *values,
        signed(contrast.difference),
        _line(contrast, widest, less_is_better),
        p,
        f"{contrast.n}",
        f"{contrast.groups}",
    ]


def _widest(contrasts: Iterable[Contrast]) -> float:
    ends = [(each.difference.low, each.difference.value, each.difference.high) for each in contrasts]
    return max([0.01, *(abs(end) for each in ends for end in each if end is not None)])


def _line(contrast: Contrast, widest: float, less_is_better: bool) -> str:
    """A difference around 0, on the scale of its table."""
    value, low, high = contrast.difference.value, contrast.difference.low, contrast.difference.high
    if value is None:
        return ""

    def x(shift: float) -> float:
        return 70 + 66 * max(-1.0, min(1.0, shift / widest))

    hue = "#66757f" if not value else "#2a6f97" if (value < 0) == less_is_better else "#d1782a"
    sure = contrast.corrected is not None and contrast.corrected <= ALPHA
    drawn = '<line x1="70" x2="70" y1="1" y2="17" stroke="#66757f"/>'
    if low is not None and high is not None:
        drawn += f'<line x1="{x(low):.1f}" x2="{x(high):.1f}" y1="9" y2="9" stroke="{hue}" stroke-width="4" '
        drawn += f'stroke-opacity="{1 if sure else 0.35}"/>'
    drawn += f'<circle cx="{x(value):.1f}" cy="9" r="4" fill="{hue if sure else "#fff"}" stroke="{hue}"/>'
    return f'<svg width="140" height="18" role="img" aria-label="{escape(signed(contrast.difference))}">{drawn}</svg>'


def _interval(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f'{estimate.value:.3f}<br><span class="told">{estimate.low:.3f}–{estimate.high:.3f}</span>'


def _section(title: str, told: str, *blocks: str) -> str:
    return f'<section><h2>{title}</h2><p class="told">{escape(told)}</p>{"".join(blocks)}</section>'


def _details(title: str, body: str, opened: bool) -> str:
    return f"<details{' open' if opened else ''}><summary>{escape(title)}</summary>{body}</details>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are markup already."""
    head = "".join(f"<th>{each}</th>" for each in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
