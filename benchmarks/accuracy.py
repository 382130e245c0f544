"""Accuracy on recordings that training never saw: ESC-10 by fold, spoken digits by speaker.

    python benchmarks/accuracy.py esc10 --fold 3
    python benchmarks/accuracy.py fsdd --speaker theo

Runs the commands a user would: ingest a CSV without the held-out part, train, evaluate on the held-out part.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DATA = Path(os.environ.get("ECOSIGHT_DATA", ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=("esc10", "fsdd"))
    parser.add_argument("--fold", default="3", help="ESC-10: the fold held out.")
    parser.add_argument("--speaker", default="theo", help="FSDD: the speaker held out.")
    parser.add_argument("--embedder", default="yamnet")
    parser.add_argument("--most", type=int, default=0, help="FSDD: most clips of one digit and speaker; 0 takes all.")
    parser.add_argument("--seed", default="7")
    arguments = parser.parse_args()
    if not DATA.name:
        parser.error("set ECOSIGHT_DATA to the folder with audio/ and yamnet/")
    rows = _esc10() if arguments.which == "esc10" else _fsdd(arguments.most)
    held = arguments.fold if arguments.which == "esc10" else arguments.speaker
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write(root / "known.csv", [row for row in rows if row[3] != held])
        _write(root / "unseen.csv", [row for row in rows if row[3] == held])
        _ecosight(root, arguments, "ingest", "known.csv")
        record = _ecosight(root, arguments, "train")
        report = _ecosight(root, arguments, "evaluate", "--data", "unseen.csv")["report"]
    low, high = report["accuracy"]["low"], report["accuracy"]["high"]
    print(f"{arguments.which}, {held} held out, embedder {arguments.embedder}, {record['total_samples']} known clips")
    print(f"own test part {record['accuracy']:.3f}; {report['n']} unseen clips: accuracy", end=" ")
    print(f"{report['accuracy']['value']:.3f} [{low:.3f}, {high:.3f}], ECE {report['ece']['value']:.3f}")


def _esc10() -> list[tuple[Path, str, str, str]]:
    """(path, label, group, fold): the group is the freesound recording."""
    rows = []
    for path in sorted((DATA / "audio/esc10/dev").rglob("*.ogg")):
        fold, recording, _ = path.stem.split("-")
        rows.append((path, path.parent.name, recording, fold))
    return rows


def _fsdd(most: int) -> list[tuple[Path, str, str, str]]:
    """(path, label, group, speaker): every clip is a recording of its own; the speaker is what is held out."""
    rows = []
    for path in sorted((DATA / "audio/fsdd/dev").rglob("*.wav")):
        digit, speaker, index = re.fullmatch(r"(\d)_(\w+)_(\d+)", path.stem).groups()
        if not most or int(index) < most:
            rows.append((path, f"digit_{digit}", path.stem, speaker))
    return rows


def _write(path: Path, rows: list[tuple[Path, str, str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "group"))
        writer.writerows((str(row[0].resolve()), row[1], row[2]) for row in rows)


def _ecosight(root: Path, arguments: argparse.Namespace, *command: str) -> dict:
    environment = os.environ | {
        "ECOSIGHT__PROJECT__ROOT": str(root / "project"),
        "ECOSIGHT__PROJECT__SEED": arguments.seed,
        "ECOSIGHT__SOUND__EMBEDDER": arguments.embedder,
        "ECOSIGHT__SOUND__YAMNET_MODEL": str((DATA / "yamnet/saved_model").resolve()),
    }
    call = [sys.executable, "-m", "pipeline", *command, "--json"]
    done = subprocess.run(call, cwd=root, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"`ecosight {' '.join(command)}` ended with {done.returncode}: {done.stdout}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
