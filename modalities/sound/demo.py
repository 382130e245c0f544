"""The sounds of the demo: some stations to begin with, more that come in later, one that is only asked about."""

from __future__ import annotations

from pathlib import Path

from ecosight.seeds import generator
from ecosight.values import DemoSet
from modalities.sound.synthesis import GROUP_PATTERN, write_sound_set

__all__ = ["write_demo"]

SEED = 20
START_STATIONS, LATER_STATIONS, ASKED_STATIONS = 1, 5, 1
"""One station to begin with: what it hears elsewhere is new to the first model, so more recordings really help."""
EVENTS, TAKES = 6, 2


def write_demo(folder: Path) -> DemoSet:
    """Write the demo's sounds below a folder; always the same bytes."""
    start, rest = folder / "sounds", folder / "new_sounds"
    stations = START_STATIONS + LATER_STATIONS + ASKED_STATIONS
    later, asked = [], []
    for path, label, group in write_sound_set(rest, seed=SEED, stations=stations, events=EVENTS, takes=TAKES):
        station = int(group[1:3])
        if station <= START_STATIONS:
            (start / label).mkdir(parents=True, exist_ok=True)
            path.rename(start / label / path.name)
        elif station <= START_STATIONS + LATER_STATIONS:
            later.append((path, label))
        else:
            asked.append((path, label))
    order = generator(SEED, "arrival").permutation(len(later))
    return DemoSet(
        start=start,
        later=tuple(later[index] for index in order),
        clips=tuple(asked),
        group_pattern=GROUP_PATTERN,
    )
