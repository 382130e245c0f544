"""Owns what ``python dataset/manager.py`` understands and prints."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from dataset.entries import PARTS
from dataset.manager import DatasetManager
from ecosight.config import load_config
from ecosight.errors import EcosightError, NotFound, exit_code
from ecosight.progress import terminal_progress

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The script. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        with DatasetManager(options.base_path, config=load_config(options.config)) as manager:
            result = _run(manager, options)
    except EcosightError as error:
        print(f"error: {error.message}", *([f"hint: {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)
        return exit_code(error)
    print(json.dumps(result, indent=2, default=str) if options.json else _text(result))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dataset/manager.py", description="Create named versions and add data.")
    parser.add_argument("--create-version", metavar="NAME", help="name the newest version, and open it for additions")
    parser.add_argument("--add-data", metavar="SOURCE", help="class folders or a CSV, added to the open version")
    parser.add_argument("--splits", metavar="TRAIN,VAL,TEST", help="shares for what is added: 0.7,0.2,0.1 or 70/20/10")
    parser.add_argument("--description", default="", help="what the version is for")
    parser.add_argument(
        "--show", metavar="VERSION", help="statistics of a version; the newest if nothing else is asked"
    )
    parser.add_argument("--base-path", metavar="FOLDER", help="where everything lies [project.root]")
    parser.add_argument("--config", metavar="FILE", help="configuration file [config.yaml]")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _run(manager: DatasetManager, options: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {}
    name = options.create_version
    if name:
        tag = manager.create_version(name, options.description, options.splits)
        result["created"] = {"name": tag.name, "splits": dict(tag.splits), "version": tag.version}
    if options.add_data:
        name = name or manager.repository.tags.opened()
        if name is None:
            raise NotFound("there is no named version to add to", hint="Add --create-version v1.0.0.")
        result["added"] = manager.add_folder(name, options.add_data, progress=terminal_progress()).as_dict()
    if options.show or not result or (options.add_data and result["added"]["version"]):
        result["statistics"] = manager.get_version(options.show or name).statistics()
    return result


def _text(result: Mapping[str, Any]) -> str:
    lines = []
    if created := result.get("created"):
        shares = ", ".join(f"{part} {created['splits'][part]:g}" for part in PARTS)
        lines.append(f"version {created['name']} is open ({shares})")
    if added := result.get("added"):
        lines.append(
            f"{added['message']}; accepted {added['accepted']}, duplicates {added['duplicates']}, "
            f"refused {len(added['refused'])}, conflicts {len(added['conflicts'])}, skipped {len(added['skipped'])}"
        )
        lines += [f"  {row['path']}: {row['error']['message']}" for row in [*added["refused"], *added["conflicts"]]]
    if statistics := result.get("statistics"):
        lines.append(f"{statistics['name']} = {statistics['version']}: {statistics['samples']} samples")
        for part, counts in statistics["parts"].items():
            classes = ", ".join(f"{label} {n}" for label, n in counts["classes"].items())
            lines.append(f"  {part:5} {counts['samples']:6} samples in {counts['groups']:5} groups: {classes or '-'}")
    return "\n".join(lines)
