"""How well copies of real recordings are found, and how long that takes among 100,000 sounds.

    python benchmarks/near_duplicates.py accuracy --data RECORDINGS
    python benchmarks/near_duplicates.py scale --data RECORDINGS --cache FOLDER --sounds 100000

``accuracy``: every recording, and copies of one kind of some of them, searched at once; once for each kind. A copy
counts as found if it is in the cluster of its original. Precision is over all pairs of recordings that share a cluster;
pairs of one freesound id count neither way.

``scale``: sounds made from the recordings, each at a speed of its own (0.75 to 1.33, evenly spaced for one recording,
so that every one is another sound at another pitch), and for every twentieth a copy (16-bit, 20 dB of noise, 5% cut off
at each end, half the level). They are fingerprinted as samples of a project are; then, in a process of its own, the
search over the cached fingerprints is timed; then, in another, that for the copies of a hundred of them, as a commit of
so many to a dataset of all others does. The first run makes the fingerprints and takes a while.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from dataset.entries import Entry
from dataset.similar import DuplicateReport, FingerprintStore, find_duplicates
from ecosight.config import SoundSection
from ecosight.ids import content_digest
from ecosight.progress import NullProgress, terminal_progress
from modalities.sound.fingerprint import SoundFingerprinter

Wave = NDArray[np.float64]
KINDS: dict[str, Callable[[Wave, int, np.random.Generator], bytes]] = {
    "gain +6 dB, clipped": lambda wave, rate, rng: _encode(wave * 2, rate),
    "gain -6 dB": lambda wave, rate, rng: _encode(wave / 2, rate),
    "flac": lambda wave, rate, rng: _encode(wave, rate, "FLAC"),
    "mp3, better": lambda wave, rate, rng: _encode(wave, rate, "MP3", "MPEG_LAYER_III", 0.3),
    "mp3, worse": lambda wave, rate, rng: _encode(wave, rate, "MP3", "MPEG_LAYER_III", 0.8),
    "ogg, better": lambda wave, rate, rng: _encode(wave, rate, "OGG", "VORBIS", 0.4),
    "ogg, worse": lambda wave, rate, rng: _encode(wave, rate, "OGG", "VORBIS", 0.9),
    "first 10% cut": lambda wave, rate, rng: _encode(_cut(wave, 0.1, 0), rate),
    "last 10% cut": lambda wave, rate, rng: _encode(_cut(wave, 0, 0.1), rate),
    "10% cut at both ends": lambda wave, rate, rng: _encode(_cut(wave, 0.1, 0.1), rate),
    "noise, 20 dB SNR": lambda wave, rate, rng: _encode(_noisy(wave, 20, rng), rate),
    "noise, 10 dB SNR": lambda wave, rate, rng: _encode(_noisy(wave, 10, rng), rate),
    "noise, 6 dB SNR": lambda wave, rate, rng: _encode(_noisy(wave, 6, rng), rate),
    "cut 7%+3%, -6 dB, 20 dB SNR, mp3": lambda wave, rate, rng: _encode(
        _noisy(_cut(wave / 2, 0.07, 0.03), 20, rng), rate, "MP3", "MPEG_LAYER_III", 0.6
    ),
    "cut 10%+10%, +3.5 dB, 20 dB SNR, ogg": lambda wave, rate, rng: _encode(
        _noisy(_cut(wave * 1.5, 0.1, 0.1), 20, rng), rate, "OGG", "VORBIS", 0.7
    ),
}
NEW = 100


class Sounds:
    """Bytes by digest, made when they are asked for."""

    def __init__(self) -> None:
        self.makers: dict[str, Callable[[], bytes]] = {}

    def get(self, digest: str) -> bytes:
        return self.makers[digest]()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("accuracy", "scale", "search", "newest"))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("ECOSIGHT_DATA", ""), "audio"))
    parser.add_argument("--every", type=int, default=4, help="accuracy: copies of every so many recordings")
    parser.add_argument("--sounds", type=int, default=100_000)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir(), "near_duplicates"))
    arguments = parser.parse_args()
    files = sorted(path for path in arguments.data.rglob("*") if path.suffix in (".ogg", ".wav", ".mp3", ".flac"))
    if arguments.what == "accuracy":
        accuracy(files, arguments.every, arguments.cache)
        return
    rows, sounds = _many(files, arguments.sounds)
    if arguments.what in ("search", "newest"):
        new = [row.sample_id for row in rows[-NEW:]] if arguments.what == "newest" else None
        print(json.dumps(_search(rows, _store(arguments.cache, sounds), new)))
        return
    began = time.perf_counter()
    made = _store(arguments.cache, sounds).collect([row.sample_id for row in rows], terminal_progress())
    print(f"fingerprints: {made.computed} made in {time.perf_counter() - began:.0f} s, {made.cached} kept from before")
    print(f"{len(made.unreadable)} unreadable, {len(made.postings.words) / len(rows):.0f} words a sound")
    for what in ("search", "newest"):
        command = [sys.executable, __file__, what, "--data", str(arguments.data), "--cache", str(arguments.cache)]
        command += ["--sounds", str(arguments.sounds)]
        print(what, subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)


def accuracy(files: list[Path], every: int, cache: Path) -> None:
    sounds = Sounds()
    store = _store(cache, sounds)
    originals = [_row(sounds, path.read_bytes(), path, "") for path in files]
    alone = find_duplicates(originals, store, terminal_progress())
    print(f"{len(originals)} recordings; among themselves:")
    for cluster in alone.clusters:
        print(f"  {cluster.kind} {cluster.similarity:.2f}", *(member.source for member in cluster.members))
    print(f"{'copies':38} {'n':>4} {'kbit/s':>6} {'recall: all':>12} {'5 s':>6} {'digits':>6} {'precision':>9}")
    for kind, change in KINDS.items():
        copies, seconds, size = [], 0.0, 0
        for number, path in enumerate(files):
            if number % every == 0:
                wave, rate = soundfile.read(path)
                data = change(wave, rate, np.random.default_rng([number, *kind.encode()]))
                copies.append(_row(sounds, data, path, kind))
                seconds, size = seconds + len(wave) / rate, size + len(data)
        report = find_duplicates([*originals, *copies], store, NullProgress())
        found = _found(report)
        good = [any(part == "" for part in found.get(row.sample_id, {}).get(row.source, ())) for row in copies]
        long = [hit for hit, row in zip(good, copies, strict=True) if row.source.endswith(".ogg")]
        short = [hit for hit, row in zip(good, copies, strict=True) if row.source.endswith(".wav")]
        right, wrong = _pairs(report)
        print(
            f"{kind:38} {len(copies):4} {size * 8e-3 / seconds:6.0f} {np.mean(good):12.3f} {np.mean(long):6.3f} "
            f"{np.mean(short):6.3f} {right / max(1, right + wrong):9.4f}",
            flush=True,
        )


def _found(report: DuplicateReport) -> dict[str, dict[str, list[str]]]:
    """Sample id -> source -> the parts of its cluster's members of that source."""
    found: dict[str, dict[str, list[str]]] = {}
    for cluster in report.clusters:
        sources: dict[str, list[str]] = {}
        for member in cluster.members:
            sources.setdefault(member.source, []).append(member.part)
        found |= {member.sample_id: sources for member in cluster.members}
    return found


def _pairs(report: DuplicateReport) -> tuple[int, int]:
    """Pairs that share a cluster: of one recording, and of two. What originals have in common counts as wrong too."""
    right = wrong = 0
    for cluster in report.clusters:
        for one, other in combinations(cluster.members, 2):
            if one.source == other.source:
                right += 1
            elif one.group != other.group:
                wrong += 1
    return right, wrong


def _search(rows: list[Entry], store: FingerprintStore, new: list[str] | None) -> dict[str, object]:
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    report = find_duplicates(rows, store, NullProgress(), new=None if new is None else set(new))
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    copies = [row for row in rows if row.part == "copy" and (new is None or row.sample_id in new)]
    found = _found(report)
    right, wrong = _pairs(report)
    for cluster in report.clusters:
        if len(cluster.groups) > 1:
            print(round(cluster.similarity, 2), *(member.source for member in cluster.members), file=sys.stderr)
    return {
        "sounds": len(rows),
        "wall_s": round(wall, 1),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_mb": round(after.ru_maxrss / 1024),
        "cached": report.cached,
        "copies": len(copies),
        "copies_found": sum(_hit(found, row) for row in copies),
        "right_pairs": right,
        "wrong_pairs": wrong,
    }


def _hit(found: dict[str, dict[str, list[str]]], row: Entry) -> bool:
    return "" in found.get(row.sample_id, {}).get(row.source, ())


def _many(files: list[Path], count: int) -> tuple[list[Entry], Sounds]:
    """Rows of sounds that are made when they are read. Their digests stand for what they are made from."""
    sounds = Sounds()
    rows: list[Entry] = []
    singles = count - count // 20
    versions = -(-singles // len(files))
    for number in range(singles):
        path, version = files[number % len(files)], number // len(files)
        speed = 0.75 * (1.33 / 0.75) ** (version / versions)
        source = f"{path.name} x {speed:.4f}"
        for part in ("", "copy") if number % 19 == 0 and len(rows) < count else ("",):
            digest = content_digest(f"{source} {part} v1".encode())
            sounds.makers[digest] = lambda path=path, speed=speed, part=part: _faster(path, speed, bool(part))  # type: ignore[misc]
            group = path.name.split("-")[1] if path.suffix == ".ogg" else path.name
            rows.append(Entry(sample_id=digest, label="", group=group, part=part, source=source, size_bytes=0))
    return rows[:count], sounds


def _faster(path: Path, speed: float, copy: bool) -> bytes:
    import soxr

    wave, rate = soundfile.read(path)
    wave = soxr.resample(wave, rate * speed, rate, quality="MQ")
    if copy:
        wave = _noisy(_cut(wave / 2, 0.05, 0.05), 20, np.random.default_rng(len(wave)))
    return _encode(wave, rate)


def _row(sounds: Sounds, data: bytes, path: Path, part: str) -> Entry:
    digest = content_digest(data)
    sounds.makers[digest] = lambda: data
    group = path.name.split("-")[1] if path.suffix == ".ogg" else path.name
    return Entry(
        sample_id=digest, label=path.parent.name, group=group, part=part, source=path.name, size_bytes=len(data)
    )


def _store(cache: Path, sounds: Sounds) -> FingerprintStore:
    return FingerprintStore(cache, SoundFingerprinter(SoundSection(silence_dbfs=-200)), sounds)


def _encode(wave: Wave, rate: int, kind: str = "WAV", subtype: str = "PCM_16", level: float | None = None) -> bytes:
    file = io.BytesIO()
    options = {} if level is None else {"compression_level": level}
    soundfile.write(file, np.clip(wave, -1, 1), rate, format=kind, subtype=subtype, **options)
    return file.getvalue()


def _cut(wave: Wave, first: float, last: float) -> Wave:
    return wave[int(first * len(wave)) : len(wave) - int(last * len(wave))]


def _noisy(wave: Wave, snr_db: float, rng: np.random.Generator) -> Wave:
    """White noise, against the mean power of the whole clip, silence included."""
    return np.asarray(wave + rng.normal(0, np.sqrt(np.mean(wave**2) / 10 ** (snr_db / 10)), len(wave)))


if __name__ == "__main__":
    main()
