"""The ports: what the rooms expect of a clock, a store, a modality and a served model.

Each is a Protocol of a few methods. ``ecosight.testing`` holds a conformance suite for each one;
every adapter runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ecosight.rollouts import Routing
from ecosight.values import MediaInfo, ModelRef, ParityReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BlobStore",
    "Clock",
    "Embedder",
    "Fence",
    "Fingerprint",
    "Fingerprinter",
    "Leadership",
    "Modality",
    "ModelSource",
    "Progress",
    "QualityMeter",
    "RefStore",
    "Routings",
    "Servable",
    "Task",
]


class Clock(Protocol):
    """Time, so that tests can make it jump."""

    def now(self) -> datetime:
        """The wall clock: aware, UTC. May jump; never used to measure a duration."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean something."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class BlobStore(Protocol):
    """Content-addressed bytes. Thread-safe; putting the same bytes twice stores them once.

    A digest is a SHA-256 in lower-case hex. Once ``put`` returns, the bytes survive a crash.
    """

    def put(self, data: bytes) -> str:
        """Store the bytes and return their digest."""
        ...

    def get(self, digest: str) -> bytes:
        """The bytes behind a digest, verified.

        Raises: NotFound: no such blob. IntegrityError: the stored bytes do not match the digest.
        """
        ...

    def has(self, digest: str) -> bool: ...

    def delete(self, digest: str) -> None:
        """Forget a blob; forgetting an unknown one is no error."""
        ...

    def digests(self) -> Iterator[str]:
        """Every stored digest, in no particular order."""
        ...


class RefStore(Protocol):
    """Named pointers that move by compare-and-set, so that two writers cannot lose each other's move."""

    def get(self, name: str) -> str | None: ...

    def compare_and_set(self, name: str, expected: str | None, new: str) -> bool:
        """Point ``name`` to ``new`` if it still points to ``expected`` (None: does not exist)."""
        ...

    def names(self, prefix: str = "") -> list[str]: ...


class Fence(Protocol):
    """The right to write as the leader, until another takes over. Its number rises at every take-over."""

    @property
    def number(self) -> int: ...

    def check(self, transaction: Any, /) -> None:
        """Called by a store inside the transaction that writes, so that nobody takes over before it ends.

        Raises: Conflict: another process leads by now.
        """
        ...


class Leadership(Protocol):
    """One process's claim to lead. Many may believe that they lead; with its fence, only one can write."""

    def try_lead(self) -> Fence | None:
        """Take the lead if it is free, or keep it; None while another leads. Raises Unavailable."""
        ...

    def resign(self) -> None:
        """Let another lead at once; without leading, nothing happens."""
        ...


class Routings(Protocol):
    """The newest routing and all before it. Moves by compare-and-set on the epoch, across processes and machines."""

    def current(self) -> Routing | None: ...

    def epoch(self) -> int:
        """The newest epoch, 0 before the first: cheaper than the document."""
        ...

    def move(self, routing: Routing, *, fence: Fence | None = None) -> bool:
        """Let this be the newest; False when its epoch is not the next one. Raises Conflict: the fence is broken."""
        ...

    def at(self, moment: datetime) -> Routing | None:
        """What was in force then; None before the first."""
        ...

    def history(self, rollout_id: str | None = None, limit: int = 1_000) -> list[Routing]:
        """Oldest first: of one rollout, or of all."""
        ...


class Task(Protocol):
    """One piece of work whose progress is shown."""

    def advance(self, units: int = 1, **figures: Any) -> None: ...


class Progress(Protocol):
    """Where long work reports to: a bar on a terminal, JSON lines otherwise, a job's row in a worker."""

    def task(self, name: str, total: int, unit: str) -> AbstractContextManager[Task]:
        """Begin a task of ``total`` units; leaving the context ends it."""
        ...

    def checkpoint(self) -> None:
        """Called between units of work. Raises Cancelled when the work should stop here."""
        ...


class Embedder(Protocol):
    """Turns raw samples into fixed-length vectors. Deterministic; thread-safe."""

    name: str
    digest: str
    """Changes whenever the same bytes could give another vector; half of the cache key."""
    dimension: int

    def embed(self, samples: Sequence[bytes]) -> NDArray[np.float32]:
        """Embeddings of raw files, float32 (n, dimension).

        Raises: InputError: a sample cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What copies of a sample have in common.

    Attributes:
        contents: SHA-256 of what was decoded, so that one recording in two lossless files is known as one.
        words: uint32 (k,), each once: copies share some. places: int32 (k,), where in the sample each is; copies share
            theirs with one shift. All 0 where a sample has no extent.
        trace: what ``compare`` needs.
    """

    contents: str
    words: NDArray[np.uint32]
    places: NDArray[np.int32]
    trace: bytes


class Fingerprinter(Protocol):
    """Finds copies among samples without comparing each with each. Deterministic; thread-safe.

    A modality that has one offers it by a method ``fingerprinter()``.
    """

    name: str
    threshold: float
    """From this similarity on, two samples are near-duplicates."""

    @property
    def digest(self) -> str:
        """Changes whenever the same bytes could give another fingerprint; half of the cache key."""
        ...

    def fingerprint(self, data: bytes) -> Fingerprint:
        """Raises InputError: the sample cannot be read."""
        ...

    def compare(self, one: bytes, other: bytes, shift: int) -> float:
        """The similarity of two samples by their traces, 0 to 1.

        Args:
            shift: place of a shared word in the first, less its place in the second.
        """
        ...


class QualityMeter(Protocol):
    """Measures how good a sample is as a recording or a picture, whatever is in it. Deterministic; thread-safe.

    A modality that has one offers it by a method ``quality_meter()``. The figures are kept; the flags are made from
    them when someone asks, so another threshold costs no reading.
    """

    name: str
    units: Mapping[str, str]
    """What each figure is, for people: name -> a few words with the unit."""
    rules: Mapping[str, str]
    """What each flag means, for people: flag -> a sentence with its threshold. No flag holds a comma."""

    @property
    def digest(self) -> str:
        """Changes whenever the same bytes could give other figures; half of the cache key."""
        ...

    def quality(self, data: bytes) -> Mapping[str, float]:
        """The figures of one raw file, all finite, always the same names.

        Raises: InputError: the sample cannot be read.
        """
        ...

    def flags(self, figures: Mapping[str, float]) -> tuple[str, ...]:
        """What is wrong by these figures, in the order of ``rules``; empty: nothing."""
        ...


@runtime_checkable
class Servable(Protocol):
    """A model loaded for answering: raw file in, calibrated probabilities out.

    ``prepare`` and ``predict`` are thread-safe and block; call them off the event loop.
    """

    labels: tuple[str, ...]
    digest: str
    engine: str
    info: Mapping[str, Any]
    """The artifact's own description: embedder, temperature, dataset, parity report."""

    def prepare(self, data: bytes) -> Any:
        """Decode and check one raw file; the result goes to ``predict``.

        Raises: InputError: the file is not acceptable.
        """
        ...

    def predict(self, prepared: Sequence[Any]) -> NDArray[np.float32]:
        """Calibrated probabilities, float32 (n, classes), columns in the order of ``labels``."""
        ...

    # A plug-in may have ``examples() -> Sequence[bytes]``, raw files of its own: worker processes are warmed with them.

    def warm(self) -> None:
        """Run once on the artifact's own examples, so that the first request is not slow.

        Raises: IntegrityError: the answers differ from the ones recorded in the artifact.
        """
        ...


class Modality(Protocol):
    """Everything that depends on the kind of sample. Found by name among the plug-ins.

    The only code that knows what the bytes are; all else is blind to it.
    """

    name: str
    extensions: frozenset[str]
    """Lower-case file name endings with the dot, used to find files; content decides."""
    max_bytes: int
    """A larger file is refused before it is read."""

    def inspect(self, data: bytes) -> MediaInfo:
        """Decode the bytes whole and describe them.

        Raises: MediaTooLarge, UnsupportedMedia, UnreadableMedia.
        """
        ...

    def embedder(self) -> Embedder:
        """The configured embedder (made once, then kept).

        Raises: Unavailable: its weights cannot be had.
        """
        ...

    def build_head(self, dimension: int, classes: int, *, seed: int, options: Mapping[str, Any]) -> Any:
        """A Keras model from embeddings (n, dimension) to logits (n, classes), with a
        ``Normalization`` layer named ``normalization`` that the trainer adapts on the training part."""
        ...

    def compile_servable(
        self,
        *,
        head: Any,
        temperature: float,
        labels: Sequence[str],
        examples: Sequence[bytes],
        folder: Path,
        facts: Mapping[str, Any],
    ) -> ParityReport:
        """Write the servable artifact into ``folder`` and compare it with the TensorFlow path.

        Args:
            head: the trained Keras model that ``build_head`` made.
            temperature: logits are divided by it before the softmax.
            examples: real raw files, at least one; they are compared, and a few stay in the artifact.
            facts: JSON-serialisable facts that belong into the artifact (dataset, seed, …).
        Returns: the parity report, also written into the artifact. The caller refuses a failed one.
        """
        ...

    def load_servable(self, folder: Path, *, engine: str = "default", threads: int | None = None) -> Servable:
        """Open an artifact for answering, without TensorFlow.

        Args:
            threads: of one call of ``predict``; None takes every core. A server that makes a call on each core
                asks for 1.

        Raises: IntegrityError: a file does not match its digest. Unavailable: engine not installed.
        Refused: the engine's answers differ from the recorded ones beyond the tolerance.
        """
        ...


class ModelSource(Protocol):
    """The registry as a server sees it."""

    def champion(self) -> ModelRef | None:
        """Who holds the alias now; None before the first promotion. Raises Unavailable."""
        ...

    def fetch(self, model: ModelRef) -> Path:
        """A local folder with the model's servable artifact, verified against its digest."""
        ...


ModalityFactory = Callable[[Any], Modality]
"""What a plug-in of the group ``ecosight.modalities`` is: ``Config -> Modality``."""
