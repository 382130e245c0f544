"""Sounds made by synthesis, for demonstrations and tests: dogs, shots, engines and the background they stand out of.

A station colours all its recordings (its microphone's response, resonance, hum and noise floor), and the takes of
one event differ by little more than level and noise: whoever splits them at random tests on what was trained on.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecosight.errors import NotFound
from ecosight.seeds import generator

__all__ = ["GROUP_PATTERN", "LABELS", "Station", "make_clip", "make_station", "write_sound_set"]

LABELS = ("background", "dog_bark", "engine_idling", "gun_shot")
GROUP_PATTERN = r"^(.+)-t\d+\."
"""Finds the group in the file names that ``write_sound_set`` gives: the event, without its take."""
RATE_HZ = 22_050

Signal = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """How one microphone hears.

    Attributes:
        name: part of the names and groups of its recordings.
        cutoff_hz: where its treble falls off.
        resonance_hz, resonance: a peak in its response, and how much of it is added.
        hum_hz, hum: mains hum and its amplitude.
        noise: amplitude of its noise floor.
    """

    name: str
    cutoff_hz: float
    resonance_hz: float
    resonance: float
    hum_hz: float
    hum: float
    noise: float


def make_station(name: str, rng: np.random.Generator) -> Station:
    """A station at random."""
    return Station(
        name=name,
        cutoff_hz=rng.uniform(2500, 9000),
        resonance_hz=rng.uniform(300, 3000),
        resonance=rng.uniform(0, 0.8),
        hum_hz=float(rng.choice([50, 60])),
        hum=10 ** rng.uniform(-4, -2.3),
        noise=10 ** rng.uniform(-3.2, -2.3),
    )


def make_clip(label: str, rng: np.random.Generator, station: Station) -> bytes:
    """One new event at a station, as the bytes of a WAV file of 2 to 4 s (16 bit, mono, 22.05 kHz).

    Raises: NotFound: no such label.
    """
    return _wav(_take(_event(label, rng), rng, station))


def write_sound_set(
    folder: Path,
    *,
    seed: int,
    stations: int = 4,
    events: int = 3,
    takes: int = 2,
    labels: Sequence[str] = LABELS,
) -> list[tuple[Path, str, str]]:
    """Write ``stations * events * takes`` files of each label into a folder a label.

    The same arguments always give the same bytes; more stations, events or takes only add files.

    Args:
        events: of each label at each station.
        takes: near-duplicates of each event.
    Returns: (path, label, group) of each file; a group is one event.
    """
    written = []
    for number in range(1, stations + 1):
        station = make_station(f"s{number:02d}", generator(seed, "station", number))
        for label in labels:
            (folder / label).mkdir(parents=True, exist_ok=True)
            for event in range(1, events + 1):
                group = f"{station.name}-{label}-e{event:02d}"
                sound = _event(label, generator(seed, group))
                for take in range(1, takes + 1):
                    path = folder / label / f"{group}-t{take}.wav"
                    path.write_bytes(_wav(_take(sound, generator(seed, group, take), station)))
                    written.append((path, label, group))
    return written


# -- what sounds ---------------------------------------------------------------------------------------


def _event(label: str, rng: np.random.Generator) -> Signal:
    """The sound itself, before any microphone, with a peak near 1."""
    makers: dict[str, Callable[[int, np.random.Generator], Signal]] = {
        "background": _background,
        "dog_bark": _dog_bark,
        "engine_idling": _engine_idling,
        "gun_shot": _gun_shot,
    }
    if label not in makers:
        raise NotFound(f"no sound {label!r} can be made", hint=f"Known: {', '.join(LABELS)}.")
    samples = int(rng.uniform(2.0, 4.0) * RATE_HZ)
    scene = _normal(makers[label](samples, rng))
    if label != "background":  # something else goes on everywhere
        scene = scene + 10 ** rng.uniform(-2.2, -0.9) * _normal(_background(samples, rng))
    return _normal(scene)


def _dog_bark(samples: int, rng: np.random.Generator) -> Signal:
    pitch, sharpness = rng.uniform(250, 800), rng.uniform(0.2, 0.6)
    out = np.zeros(samples)
    for _ in range(rng.integers(1, 6)):
        length = int(rng.uniform(0.08, 0.28) * RATE_HZ)
        t = np.linspace(0, 1, length)
        glide = pitch * rng.uniform(0.9, 1.1) * (0.8 + 0.5 * np.sin(np.pi * t**sharpness))
        phase = 2 * np.pi * np.cumsum(glide) / RATE_HZ
        voice = sum(np.sin(k * phase) / k**1.2 for k in range(1, 9)) + rng.normal(0, 0.4, length)
        bark = _resonate(np.asarray(voice), pitch * 2.6, 0.6) * np.minimum(1, t * 20) * (1 - t) ** 1.5
        _mix(out, bark * rng.uniform(0.5, 1), int(rng.uniform(0, 0.95) * samples))
    return _echo(out, rng, 0.25)


def _gun_shot(samples: int, rng: np.random.Generator) -> Signal:
    out = np.zeros(samples)
    crack_s, boom_hz = rng.uniform(0.01, 0.06), rng.uniform(60, 300)
    for _ in range(rng.integers(1, 4)):
        length = int(0.8 * RATE_HZ)
        t = np.arange(length) / RATE_HZ
        crack = rng.normal(0, 1, length) * np.exp(-t / crack_s)
        boom = np.sin(2 * np.pi * boom_hz * t) * np.exp(-t / (4 * crack_s))
        _mix(out, crack + boom * rng.uniform(0.3, 1), int(rng.uniform(0, 0.9) * samples))
    return _echo(_low_pass(out, rng.uniform(1500, 9000)), rng, 1.0)


def _engine_idling(samples: int, rng: np.random.Generator) -> Signal:
    firing_hz = rng.uniform(14, 45) * (1 + 0.04 * _drift(samples, rng))
    phase = np.cumsum(firing_hz) / RATE_HZ
    pulses = np.exp(-8 * (phase % 1)) * (1 + 0.3 * np.sin(np.pi * np.floor(phase)))
    rough = pulses * (1 + rng.normal(0, 0.5, samples)) + 0.05 * rng.normal(0, 1, samples)
    return _resonate(_low_pass(rough - rough.mean(), rng.uniform(300, 1800)), rng.uniform(80, 400), 0.7)


def _background(samples: int, rng: np.random.Generator) -> Signal:
    kinds = (_wind, _rain, _insects, _birds, _twigs, _traffic)
    chosen = rng.choice(len(kinds), size=rng.integers(1, 4), replace=False)
    out = 0.1 * _low_pass(rng.normal(0, 1, samples), 800)
    for index in chosen:
        out = out + rng.uniform(0.2, 1) * _normal(kinds[index](samples, rng))
    return np.asarray(out)


def _wind(samples: int, rng: np.random.Generator) -> Signal:
    return _low_pass(rng.normal(0, 1, samples), rng.uniform(150, 700)) * (1.2 + _drift(samples, rng))


def _rain(samples: int, rng: np.random.Generator) -> Signal:
    noise = rng.normal(0, 1, samples)
    return noise - _low_pass(noise, rng.uniform(500, 3000))


def _insects(samples: int, rng: np.random.Generator) -> Signal:
    t = np.arange(samples) / RATE_HZ
    trill = np.maximum(0, np.sin(2 * np.pi * rng.uniform(8, 40) * t))
    return np.asarray(np.sin(2 * np.pi * rng.uniform(3000, 6500) * t) * trill)


def _birds(samples: int, rng: np.random.Generator) -> Signal:
    out = np.zeros(samples)
    base = rng.uniform(900, 4500)
    for _ in range(rng.integers(2, 10)):
        length = int(rng.uniform(0.04, 0.25) * RATE_HZ)
        t = np.linspace(0, 1, length)
        sweep = base * (1 + rng.uniform(-0.4, 0.4) * t)
        chirp = np.sin(2 * np.pi * np.cumsum(sweep) / RATE_HZ) * np.sin(np.pi * t) ** 2
        _mix(out, chirp, int(rng.uniform(0, 0.95) * samples))
    return out


def _twigs(samples: int, rng: np.random.Generator) -> Signal:
    """Short cracks: what a shot must not be mistaken for."""
    out = np.zeros(samples)
    for _ in range(rng.integers(1, 7)):
        length = int(0.05 * RATE_HZ)
        crack = rng.normal(0, 1, length) * np.exp(-np.arange(length) / RATE_HZ / rng.uniform(0.001, 0.008))
        _mix(out, crack * rng.uniform(0.3, 1), int(rng.uniform(0, 0.95) * samples))
    return out


def _traffic(samples: int, rng: np.random.Generator) -> Signal:
    """A far road: what an engine nearby must not be mistaken for."""
    rumble = _low_pass(rng.normal(0, 1, samples), rng.uniform(80, 300))
    t = np.arange(samples) / RATE_HZ
    return rumble * (1.1 + 0.6 * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * t))


# -- how it is heard -----------------------------------------------------------------------------------


def _take(event: Signal, rng: np.random.Generator, station: Station) -> Signal:
    """One recording of an event: nearly the same each time."""
    shift = int(rng.uniform(0, 0.05) * RATE_HZ)
    heard = np.concatenate([np.zeros(shift), event])[: len(event)]
    heard = _low_pass(heard, station.cutoff_hz)
    heard = heard + station.resonance * _resonate(heard, station.resonance_hz, 0.9)
    heard = _normal(heard) * 10 ** rng.uniform(-1.0, -0.3)
    t = np.arange(len(heard)) / RATE_HZ
    floor = station.hum * np.sin(2 * np.pi * station.hum_hz * t) + station.noise * rng.normal(0, 1, len(heard))
    return np.clip(heard + floor, -1, 1)


def _wav(samples: Signal) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _normal(signal: Signal) -> Signal:
    return np.asarray(signal / max(1e-9, float(np.abs(signal).max())))


def _mix(out: Signal, sound: Signal, at: int) -> None:
    length = min(len(sound), len(out) - at)
    out[at : at + length] += sound[:length]


def _low_pass(signal: Signal, cutoff_hz: float) -> Signal:
    from scipy.signal import lfilter

    keep = np.exp(-2 * np.pi * cutoff_hz / RATE_HZ)
    return np.asarray(lfilter([1 - keep], [1, -keep], signal))


def _resonate(signal: Signal, centre_hz: float, sharpness: float) -> Signal:
    """A two-pole resonance; sharpness in (0, 1)."""
    from scipy.signal import lfilter

    radius = 0.9 + 0.09 * sharpness
    angle = 2 * np.pi * min(centre_hz, 0.45 * RATE_HZ) / RATE_HZ
    ringing = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], signal)
    return np.asarray(signal * 0.2 + ringing)


def _echo(signal: Signal, rng: np.random.Generator, strength: float) -> Signal:
    """The open air: a few late copies and a diffuse tail."""
    from scipy.signal import oaconvolve

    length = int(rng.uniform(0.2, 0.9) * RATE_HZ)
    t = np.arange(length) / length
    tail = rng.normal(0, 1, length) * np.exp(-5 * t) * strength * rng.uniform(0.01, 0.06)
    tail[0] = 1.0
    return np.asarray(oaconvolve(signal, tail)[: len(signal)])


def _drift(samples: int, rng: np.random.Generator) -> Signal:
    """A slow wander in [-1, 1]."""
    points = rng.uniform(-1, 1, 8)
    return np.interp(np.linspace(0, 7, samples), np.arange(8), points)
