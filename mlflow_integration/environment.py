"""What a training ran on: Python, packages, machine, source revision and seed."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import ecosight

__all__ = ["Environment", "Revision", "describe_environment", "source_revision"]

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The commit of the running code, or ``unknown`` and why; ``dirty``: files differ from that commit."""

    commit: str
    dirty: bool | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Everything that could make the same training give another model."""

    python: str
    implementation: str
    system: str
    machine: str
    cpu_count: int
    seed: int | None
    revision: Revision
    packages: dict[str, str]

    def requirements(self) -> str:
        """The packages in the form that pip reads."""
        return "".join(f"{name}=={version}\n" for name, version in self.packages.items())

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def tags(self) -> dict[str, str]:
        """The part that a list of runs is searched by."""
        tags = {
            "ecosight.python": self.python,
            "ecosight.system": f"{self.system} {self.machine}",
            "ecosight.cpu_count": str(self.cpu_count),
            "ecosight.git_commit": self.revision.commit,
        }
        if self.seed is not None:
            tags["ecosight.seed"] = str(self.seed)
        if self.revision.commit != UNKNOWN:
            tags["mlflow.source.git.commit"] = self.revision.commit
            tags["ecosight.git_dirty"] = str(self.revision.dirty).lower()
        return tags


def describe_environment(*, seed: int | None) -> Environment:
    """The environment of this process."""
    return Environment(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        cpu_count=os.cpu_count() or 1,
        seed=seed,
        revision=source_revision(Path(ecosight.__file__).resolve()),
        packages=_packages(),
    )


def source_revision(file: Path) -> Revision:
    """The git commit that a file belongs to.

    An installed copy inside somebody's work tree is no part of it: only a tracked file counts.
    """
    if _git(file.parent, "ls-files", "--error-unmatch", file.name) is None:
        return Revision(commit=UNKNOWN, note="the code does not lie in a git work tree")
    commit = _git(file.parent, "rev-parse", "HEAD")
    if not commit:
        return Revision(commit=UNKNOWN, note="the git work tree has no commit yet")
    changed = _git(file.parent, "status", "--porcelain", "--untracked-files=no")
    return Revision(commit=commit, dirty=None if changed is None else bool(changed))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):  # git is not installed, or hangs on a dead mount
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _packages() -> dict[str, str]:
    found = {str(each.metadata["Name"]): each.version for each in distributions() if each.metadata["Name"]}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))
