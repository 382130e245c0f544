"""Owns the class names of YOLO: ``data.yaml``, darknet's ``obj.names``, or the ``classes.txt`` of annotation tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dataset.readers.encoded import encoding_of
from dataset.readers.json_text import mapped, text
from dataset.readers.source import Source
from ecosight.errors import InvalidInput

__all__ = ["class_lists", "class_names", "descriptions"]

_YAML = (".yaml", ".yml")
_LARGEST = 1 << 20


def descriptions(source: Source) -> list[Path]:
    """YAML files that name classes."""
    return [path for path in source.notes(*_YAML) if "names:" in source.head(path)]


def class_lists(source: Source) -> list[Path]:
    """Files with one class name a line: ``obj.names``, as CVAT and darknet write it, or else ``classes.txt``."""
    return source.notes(".names") or [path for path in source.notes(".txt") if path.name.lower() == "classes.txt"]


def class_names(source: Source) -> tuple[str, dict[int, str]]:
    """The name of the file that names the classes, and number -> name.

    Raises: InvalidInput: there is none, or several that may differ; or it is damaged.
    """
    described = descriptions(source)
    lists = [] if described else class_lists(source)
    if lists:
        told = [(path.name, _listed(path)) for path in lists]  # some tools put the same one into every folder
        if all(names == told[0][1] for _, names in told):
            return told[0]
    described = described or lists or source.notes(*_YAML)
    if len(described) != 1:
        several = ", ".join(path.relative_to(source.root).as_posix() for path in described[:5])
        missing = "no data.yaml, obj.names or classes.txt"
        raise InvalidInput(
            f"{source.root} has {'several descriptions: ' + several if described else missing}",
            hint="data.yaml names the classes (names: [fox, owl]); name the file itself if there are several.",
        )
    return described[0].name, _in_yaml(described[0])


def _listed(path: Path) -> dict[int, str]:
    _check_size(path)
    try:
        lines = path.read_text(encoding_of(path)).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path.name} is no UTF-8 text", hint="Export it again.") from error
    names = {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    if not names:
        raise InvalidInput(f"{path.name} names no classes", hint="It has the name of one class a line.")
    return names


def _in_yaml(path: Path) -> dict[int, str]:
    import yaml

    try:
        _check_size(path)
        # Aliases would let a small file unpack to any size; a list of names needs none.
        content = path.read_text(encoding_of(path))
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(content)):
            raise InvalidInput(f"{path.name} holds aliases (*name)", hint="Write the names of the classes out.")
        told: Any = yaml.safe_load(content)
        written: Any = yaml.load(content, yaml.BaseLoader)  # noqa: S506  # it makes texts only, as they stand there
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidInput(f"{path.name}: line {line}: {error.problem}", hint="It must be YAML.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InvalidInput(f"{path.name} is no YAML in UTF-8", hint="Export it again.") from error
    names, texts = mapped(told, path.name).get("names"), written.get("names")
    if isinstance(names, list):
        names, texts = dict(enumerate(names)), {str(key): each for key, each in enumerate(texts)}
    if not isinstance(names, dict) or not names or not all(isinstance(key, int) for key in names):
        raise InvalidInput(f"{path.name} names no classes", hint="Such as names: [fox, owl].")
    if unclear := [key for key, name in names.items() if not _is_text(name, texts.get(str(key)))]:
        raise InvalidInput(
            f"{path.name}: the name of class {unclear[0]} is no text",
            hint="YAML reads yes, no, on, off and null so, and 010 as the number 8: quote it.",
        )
    return {key: text(str(name), f"{path.name}: the name of class {key}") for key, name in names.items()}


def _is_text(name: Any, as_written: Any) -> bool:
    """Whether YAML left a name as it was written; a number stays one, such as the digit 7."""
    return name is not None and not isinstance(name, bool) and str(name) == as_written


def _check_size(path: Path) -> None:
    if path.stat().st_size > _LARGEST:
        raise InvalidInput(f"{path.name} is too large to be a description of classes")
