"""Serving over HTTP against the usual way, on the same clips in the same run.

    python benchmarks/serving.py --data RECORDINGS --yamnet SAVED_MODEL

Four ways, each in a process of its own: a plain FastAPI endpoint (librosa, then YAMNet and the head from TensorFlow),
this server with its default engine, with the fastest that passes its parity check here, and the bare engines in
process. The client runs on the same cores as the server. ``--json FILE`` keeps all figures.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WAYS = {"plain": "plain FastAPI + librosa + TensorFlow", "default": "EcoSight, default", "fastest": "EcoSight, fastest"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.environ.get("ECOSIGHT_DATA", "")
    parser.add_argument("--data", type=Path, default=Path(root, "audio/esc10/dev"), help="clips, a folder a class")
    parser.add_argument("--yamnet", default=str(Path(root, "yamnet/saved_model")), help="a SavedModel")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 32, 100])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--json", type=Path, help="where all figures are written")
    given = parser.parse_args()
    clips = sorted(str(path) for path in given.data.rglob("*") if path.suffix in (".ogg", ".wav", ".mp3", ".flac"))
    if not clips:
        parser.error(f"there are no clips in {given.data}; set ECOSIGHT_DATA or give --data")
    with tempfile.TemporaryDirectory() as name:
        figures = _measure(Path(name), given, clips)
    _show(figures)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


def _measure(folder: Path, given: argparse.Namespace, clips: list[str]) -> dict[str, Any]:
    _write_config(folder, given.yamnet)
    _script("model", str(folder), "-", *clips[::3])
    engines = {way: _engine(folder, way, clips) for way in given.ways if way != "plain"}
    served: dict[str, list[dict[str, Any]]] = {}
    for way in given.ways:
        with _served(way, folder, given.yamnet) as (port, process):
            served[way] = []
            for each in given.concurrency:
                row = _load(port, each, given.seconds, clips)
                served[way].append({**row, "rss_mb": _rss_mb(process.pid)})
    # The machine may have been slower at the beginning: a mark is only as good as its best moment.
    for way, before in engines.items():
        engines[way] = max(before, _engine(folder, way, clips), key=lambda found: found["best"])
    return {"clips": len(clips), "cores": os.cpu_count(), "engines": engines, "served": served}


def _write_config(folder: Path, yamnet: str) -> None:
    settings = {
        "project": {"name": "benchmark", "root": str(folder / "project")},
        "sound": {"embedder": "yamnet", "yamnet_model": yamnet},
    }
    (folder / "config.yaml").write_text(json.dumps(settings))  # JSON is YAML


def _script(*arguments: str) -> str:
    command = [sys.executable, str(HERE / "serving_ways.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{arguments[0]} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def _engine(folder: Path, way: str, clips: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_script("engine", str(folder), way, *clips).splitlines()[-1])
    return found


@contextlib.contextmanager
def _served(way: str, folder: Path, yamnet: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    if way == "plain":
        command = [sys.executable, str(HERE / "serving_plain.py"), str(folder), yamnet, str(port)]
    else:
        command = [sys.executable, "-m", "pipeline", "--config", str(folder / "config.yaml"), "serve"]
        command += ["--port", str(port), "--engine", way]
    with (folder / f"{way}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=HERE.parent)
    try:
        _wait_until_ready(port, process, folder / f"{way}.log")
        yield port, process
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            sys.exit(f"a server did not start:\n{log.read_text()[-3000:]}")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5):
            return
        time.sleep(0.2)
    sys.exit("a server was not ready within two minutes")


def _load(port: int, concurrency: int, seconds: float, clips: list[str]) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "serving_load.py"), "127.0.0.1", str(port), str(concurrency), str(seconds)]
    done = subprocess.run([*command, *clips], stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    if not found["rps"]:
        sys.exit(f"no answer was a 200: {found['statuses']}")
    return {"concurrency": concurrency, **found}


def _rss_mb(pid: int) -> float:
    import psutil

    return round(psutil.Process(pid).memory_info().rss / 2**20, 1)


def _show(figures: dict[str, Any]) -> None:
    print(f"{figures['clips']} clips, {figures['cores']} cores")
    for way, found in figures["engines"].items():
        layouts = ", ".join(f"{name}: {rate:.1f}" for name, rate in found["layouts"].items())
        print(f"bare engine, {way} ({found['engine']}): {found['best']:.1f} clips/s  [{layouts}]")
    print(f"{'':38}{'at once':>8}{'rps':>8}{'p50 ms':>9}{'p99 ms':>9}{'x plain':>9}{'of engine':>11}{'RSS MB':>9}")
    for way, rows in figures["served"].items():
        for place, row in enumerate(rows):
            plain = figures["served"].get("plain")
            ratio = f"{row['rps'] / plain[place]['rps']:.1f}" if plain and plain[place]["rps"] else "-"
            engine = figures["engines"].get(way)
            share = f"{row['rps'] / engine['best']:.0%}" if engine else "-"
            failed = {status: count for status, count in row["statuses"].items() if status != "200"}
            print(
                f"{WAYS[way]:38}{row['concurrency']:>8}{row['rps']:>8.1f}{row['p50_ms']:>9.1f}{row['p99_ms']:>9.1f}"
                f"{ratio:>9}{share:>11}{row['rss_mb']:>9.0f}{'  ' + str(failed) if failed else ''}"
            )


if __name__ == "__main__":
    main()
