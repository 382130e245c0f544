"""Owns the lines that a dataset grows on: ``main``, and branches that people make beside it.

``main`` is the ref ``dataset/NAME/head``, the others are ``dataset/NAME/branch/BRANCH``. Refs cannot be taken away, so
a deleted branch points nowhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ecosight.errors import Conflict, IntegrityError, InvalidInput, NotFound

if TYPE_CHECKING:
    from ecosight.ports import RefStore

__all__ = ["MAIN", "NOWHERE", "BranchBook"]

MAIN = "main"
NOWHERE = "-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_RESERVED = re.compile(r"v?\d+|head|latest|[0-9a-f]{64}")


class BranchBook:
    """The branches of one dataset. Thread-safe, and safe across processes."""

    def __init__(self, refs: RefStore, *, dataset: str) -> None:
        self._refs, self._dataset = refs, dataset

    def ref(self, branch: str) -> str:
        """The name of a branch's ref. Raises: InvalidInput: not a fit name."""
        if branch == MAIN:
            return f"dataset/{self._dataset}/head"
        if not _NAME.fullmatch(branch) or _RESERVED.fullmatch(branch):
            raise InvalidInput(
                f"{branch[:80]!r} cannot name a branch", hint="Up to 64 letters, digits and _ . + -, such as night-set."
            )
        return f"dataset/{self._dataset}/branch/{branch}"

    def get(self, branch: str) -> str | None:
        """The digest of the newest version there; None where there is no such branch, or nothing on it yet.

        Raises: IntegrityError: what stands there is no digest.
        """
        found = self._refs.get(self.ref(branch))
        if found in (None, NOWHERE):
            return None
        if not _DIGEST.fullmatch(found):
            raise IntegrityError(
                f"the ref {self.ref(branch)!r} is damaged: it leads to {found[:80]!r}",
                hint="Restore it from a backup, or delete it and push again.",
            )
        return found

    def move(self, branch: str, expected: str | None, new: str) -> bool:
        """Let a branch grow to another version, if it is still where it was; a branch that is not there is made."""
        name = self.ref(branch)
        if self._refs.compare_and_set(name, expected, new):
            return True
        # A deleted one is made again. Nothing else points nowhere, so nobody's move is lost.
        return expected is None and self._refs.compare_and_set(name, NOWHERE, new)

    def require(self, branch: str) -> None:
        """Before something is added to a branch: a name with a typo would begin a history of its own.

        Raises: NotFound: there is no such branch. ``main`` may begin with what is added.
        """
        if branch != MAIN and self.get(branch) is None:
            raise NotFound(
                f"there is no branch {branch!r}",
                hint=f"Known: {', '.join(self.all()) or 'none'}. `ecosight dataset branch {branch}` makes it.",
            )

    def check_free(self, branch: str) -> None:
        """Raises: InvalidInput: not a fit name. Conflict: a tag has it, and one name cannot mean two versions."""
        name = self.ref(branch)
        if self._refs.get(name) in (None, NOWHERE) and self._tagged(branch):
            raise Conflict(f"there is a tag {branch!r} already", hint="Choose another name; a tag keeps its own.")

    def create(self, branch: str, at: str) -> None:
        """Raises: Conflict: there is a branch of that name elsewhere, or a tag. Making it again changes nothing."""
        self.check_free(branch)
        if not self.move(branch, None, at) and self.get(branch) != at:
            raise Conflict(f"there is a branch {branch!r} already", hint="Choose another name, or delete that one.")

    def delete(self, branch: str) -> str:
        """Returns: where it was. Raises: NotFound: there is none. Conflict: it is moving, or it is ``main``."""
        at = self.get(branch)
        if branch == MAIN:
            raise Conflict("the branch 'main' cannot be deleted", hint="Training learns from it.")
        if at is None:
            raise NotFound(f"there is no branch {branch!r}", hint=f"Known: {', '.join(self.all())}.")
        if not self._refs.compare_and_set(self.ref(branch), at, NOWHERE):
            raise Conflict(f"the branch {branch!r} has just grown", hint="Look at it again.")
        return at

    def all(self) -> dict[str, str]:
        """Branch -> digest of its newest version; ``main`` first, the others by name."""
        prefix = f"dataset/{self._dataset}/branch/"
        names = [MAIN, *(name.removeprefix(prefix) for name in self._refs.names(prefix))]
        found = {name: self.get(name) for name in names}
        return {name: digest for name, digest in found.items() if digest is not None}

    def _tagged(self, name: str) -> bool:
        return self._refs.get(f"dataset/{self._dataset}/tag/{name}") not in (None, NOWHERE)
