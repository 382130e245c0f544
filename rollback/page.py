"""The incident report as one page: opens anywhere, without a network, and says first what matters at 3 a.m."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from rollback.page_figures import figures
from rollback.page_tables import dataset_section, failed_section, review_section, slices_section, stages_section

__all__ = ["render_page"]

Report = Mapping[str, Any]


def render_page(report: Report) -> str:
    """The page of a report (``build_report``): HTML with everything in it. A pure function."""
    drawn = figures(report)
    body = [
        _head(report),
        _tiles(report),
        _to_do(report),
        _why(report),
        _section("What happened", _timeline(report)),
        _section("Figures", drawn) if drawn else "",
        stages_section(report),
        slices_section(report),
        failed_section(report),
        review_section(report),
        dataset_section(report),
        _section("For the record", _record(report)),
        f"<footer>Made {_moment(report['made_at'])} UTC from records alone. All times are UTC.</footer>",
    ]
    page = files("rollback").joinpath("page.html").read_text("utf-8")
    title = f"{report['title']}: {report['headline']}"
    return Template(page).substitute(title=escape(title), body="\n".join(part for part in body if part))


def _head(report: Report) -> str:
    models = report["models"]
    back = _name(models["restored"])
    if report["verified"]:
        pill, state = '<span class="pill good">restored and verified</span>', f"{back} answers every client again."
    else:
        pill = '<span class="pill bad">NOT verified</span>'
        state = f"It is not sure that {back} answers: look now."
    kind = {"hard": "hard trip", "soft": "statistical trip", "manual": "by hand"}.get(report["trigger"].get("kind"), "")
    return (
        f'<header>{pill}<span class="pill flat">{escape(kind)}</span>'
        f'<span class="muted">{_moment(report["speed"]["detected_at"])} UTC</span>'
        f"<h1>{escape(report['title'])}: {escape(report['headline'])}</h1>"
        f'<p class="lead">{escape(state)} {escape(_sentence(report["trigger"].get("observed", "")))}</p></header>'
    )


def _tiles(report: Report) -> str:
    speed, exposure, probes = report["speed"], report["exposure"], report["probes"]
    keys, requests = exposure["keys"], exposure["requests"]
    hurt = [
        f"{exposure[name]:,} {told}"
        for name, told in (("failed_keys", "failed"), ("wrong_keys", "wrong"))
        if exposure[name]
    ]
    tiles = [
        (_duration(speed["detection_to_last_answer_s"]), "from detection to its last answer"),
        ("–" if keys is None else f"{keys:,}", "clients were given to it" + (f": {', '.join(hurt)}" if hurt else "")),
        ("–" if requests is None else f"{requests:,}", f"requests, within {_duration(speed['exposed_s'])}"),
    ]
    if probes and "sent" in probes:
        tiles.append((f"{probes.get('restored', 0)} of {probes['sent']}", "probes answered by the restored model"))
    told = "".join(f'<div class="tile"><b>{value}</b><span>{escape(name)}</span></div>' for value, name in tiles)
    return f'<div class="tiles">{told}</div>'


def _to_do(report: Report) -> str:
    unlatch = f"ecosight rollback unlatch {escape(report['id'])}"
    if report["verified"]:
        steps = [
            "Nothing is urgent: clients are served by the restored model.",
            f"The model stays locked, whatever version it is registered as. To try it again: <code>{unlatch}</code>",
        ]
    else:
        probes = report["probes"] or {}
        why = _sentence(probes.get("error", "")).capitalize()
        steps = [
            f"See who answers: <code>ecosight rollout status</code>. {escape(why)}",
            *(escape(str(each)) for each in probes.get("failures", ())),
            f"Leave the model locked until then (later: <code>{unlatch}</code>).",
        ]
    if report["review"]:
        steps.append(f"{len(report['review'])} samples below are worth a person's look.")
    urgent = "" if report["verified"] else " urgent"
    return (
        f'<section class="todo{urgent}"><h2>What to do</h2><ol>{"".join(f"<li>{s}</li>" for s in steps)}</ol></section>'
    )


def _why(report: Report) -> str:
    trigger = report["trigger"]
    rows = [("Trigger", f"<b>{escape(report['headline'])}</b> ({escape(str(trigger.get('name', '')))})")]
    rows += [
        (told, escape(str(trigger[key])))
        for key, told in (("rule", "Rule"), ("observed", "Observed"))
        if trigger.get(key)
    ]
    for other in trigger.get("also", ()):
        rows.append(("Also tripped", escape(f"{other.get('name', '')}: {other.get('observed', '')}")))
    return _section("Why", _facts(rows))


def _timeline(report: Report) -> str:
    zero = datetime.fromisoformat(report["speed"]["detected_at"])
    parts = []
    for event in report["timeline"]:
        offset = (datetime.fromisoformat(event["at"]) - zero).total_seconds()
        tripped = event["kind"] == "decision" and event["what"].startswith("roll back")
        broken = event["kind"] == "step" and (" failed" in event["what"] or " given up" in event["what"])
        kind = " trip" if tripped else " broken" if broken else ""
        who = f' <span class="muted">{escape(str(event["who"]))}</span>' if event["who"] else ""
        parts.append(
            f'<div class="event {escape(event["kind"])}{kind}"><span class="when">{_clock(event["at"])}</span>'
            f'<span class="after">{_offset(offset)}</span><i></i><span>{escape(event["what"])}{who}</span></div>'
        )
    return "".join(parts)


def _record(report: Report) -> str:
    rows = []
    for told, key in (("Taken back", "taken_back"), ("Restored", "restored")):
        model = report["models"][key]
        rows.append((told, f"{escape(_name(model))}<br><code>{escape(model['digest'])}</code>"))
    rollout = report["rollout"]
    rows.append(
        (
            "Rollout",
            f"<code>{escape(rollout['id'])}</code> {escape(rollout['strategy'])}, by {escape(rollout['started_by'])}",
        )
    )
    rows.append(("Incident", f"<code>{escape(report['id'])}</code>"))
    if report["config_hash"]:
        rows.append(("Configuration", f"<code>{escape(report['config_hash'])}</code>"))
    rows.append(
        ("Decide again", f"<code>{escape(report['replay'])}</code> gives the same verdict from the same evidence")
    )
    return _facts(rows)


def _section(title: str, inner: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{inner}</section>"


def _facts(rows: Sequence[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in rows) + "</dl>"


def _name(model: Mapping[str, str]) -> str:
    return f"{model['name']}/{model['version']}"


def _moment(told: str) -> str:
    return escape(told[:19].replace("T", " "))


def _clock(told: str) -> str:
    return escape(told[11:23])


def _sentence(told: object) -> str:
    text = str(told).strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _offset(seconds: float) -> str:
    if abs(seconds) < 0.0005:
        return "0 s"
    return ("−" if seconds < 0 else "+") + _duration(abs(seconds))


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 0:
        return "0 s"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
