"""Owns bringing back a version that no branch or tag holds any more, such as that of a branch that was deleted.

A collection may have taken some of it, or be about to: so all of it must be there, and is made young, before a ref may
lead to it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataset.keeping.reachable import Reached, Reader, missing_from
from dataset.storing.blob_files import freshen
from ecosight.errors import NotFound

if TYPE_CHECKING:
    from dataset.versions import DatasetRepository

__all__ = ["revive"]


def revive(repository: DatasetRepository, digest: str) -> None:
    """Before a name is given to a version: see that all of it is there, and stays. Quick where something holds it.

    Raises: NotFound: a collection took some of it.
    """
    if repository.is_held(digest):
        return
    reached = Reached()
    Reader(repository.blobs).reach(digest, reached, why=digest)
    needed = sorted(reached.all())
    if (
        reached.faults
        or missing_from(repository.blobs, needed)
        or not all(freshen(repository.blobs, each) for each in needed)  # a collector was quicker by a moment
    ):
        raise NotFound(
            f"the version {digest} is not whole any more: `ecosight dataset gc` took some of what only it held",
            hint="Pull it from a store that has it; what is left here goes with the next gc.",
        )
