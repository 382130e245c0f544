"""The one error tree, and the one table that maps it to HTTP statuses and exit codes.

EcosightError
├── ConfigError             the configuration cannot be used
├── InputError              what the caller gave is wrong
│   ├── InvalidInput            a value, a row or a field
│   ├── MediaTooLarge           more bytes than the limit
│   ├── UnsupportedMedia        not a medium that is known here
│   └── UnreadableMedia         known medium, but broken, empty, silent or too long
├── AccessError
│   ├── Unauthenticated         no key, or an unknown one
│   └── Forbidden               the key's role does not allow it
├── NotFound                there is no such thing
├── Conflict                it contradicts what is already there
│   └── AlreadyRunning          the same work is under way
├── Refused                 a gate or a parity check said no
├── NotEnoughData           the work needs more samples, classes or groups
├── Unavailable             a dependency is missing or cannot be reached
│   ├── NoModel                 nothing is registered or loaded yet
│   └── Overloaded              the queue is full; try again later
├── Unfinished              it goes on, but had not ended in the time that was given
├── IntegrityError          stored bytes are not what their digest says
└── Cancelled               stopped between two units of work, resumable
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = [
    "AccessError",
    "AlreadyRunning",
    "Cancelled",
    "ConfigError",
    "Conflict",
    "EcosightError",
    "Forbidden",
    "InputError",
    "IntegrityError",
    "InvalidInput",
    "MediaTooLarge",
    "NoModel",
    "NotEnoughData",
    "NotFound",
    "Overloaded",
    "Refused",
    "Unauthenticated",
    "Unavailable",
    "Unfinished",
    "UnreadableMedia",
    "UnsupportedMedia",
    "exit_code",
    "from_dict",
    "http_status",
]


class EcosightError(Exception):
    """Root of the tree: one sentence, a hint that helps, and the facts behind it.

    Args:
        message: one sentence that says what is wrong.
        hint: what the reader can do about it; may be empty.
        context: facts for logs and for JSON answers (values must be JSON-serialisable).
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "", **context: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.context = context

    def as_dict(self) -> dict[str, Any]:
        """The error as a JSON object: code, message, hint, context."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "context": self.context,
        }


class ConfigError(EcosightError):
    code = "config"


class InputError(EcosightError):
    code = "input"


class InvalidInput(InputError):
    code = "invalid_input"


class MediaTooLarge(InputError):
    code = "media_too_large"


class UnsupportedMedia(InputError):
    code = "unsupported_media"


class UnreadableMedia(InputError):
    code = "unreadable_media"


class AccessError(EcosightError):
    code = "access"


class Unauthenticated(AccessError):
    code = "unauthenticated"


class Forbidden(AccessError):
    code = "forbidden"


class NotFound(EcosightError):
    code = "not_found"


class Conflict(EcosightError):
    code = "conflict"


class AlreadyRunning(Conflict):
    code = "already_running"


class Refused(EcosightError):
    code = "refused"


class NotEnoughData(EcosightError):
    code = "not_enough_data"


class Unavailable(EcosightError):
    code = "unavailable"


class NoModel(Unavailable):
    code = "no_model"


class Overloaded(Unavailable):
    code = "overloaded"


class Unfinished(EcosightError):
    code = "unfinished"


class IntegrityError(EcosightError):
    code = "integrity"


class Cancelled(EcosightError):
    code = "cancelled"


# class -> (HTTP status, exit code). Every class of the tree has its own row (a test checks it).
_TABLE: dict[type[EcosightError], tuple[int, int]] = {
    EcosightError: (500, 1),
    ConfigError: (500, 2),
    InputError: (422, 3),
    InvalidInput: (422, 3),
    MediaTooLarge: (413, 3),
    UnsupportedMedia: (415, 3),
    UnreadableMedia: (422, 3),
    AccessError: (403, 9),
    Unauthenticated: (401, 9),
    Forbidden: (403, 9),
    NotFound: (404, 4),
    Conflict: (409, 5),
    AlreadyRunning: (409, 5),
    Refused: (409, 8),
    NotEnoughData: (409, 10),
    Unavailable: (503, 6),
    NoModel: (503, 6),
    Overloaded: (429, 6),
    Unfinished: (504, 11),
    IntegrityError: (500, 7),
    Cancelled: (503, 130),
}


def http_status(error: EcosightError) -> int:
    """The HTTP status of an error: the row of its class."""
    return _TABLE[type(error)][0]


def exit_code(error: EcosightError) -> int:
    """The command's exit code of an error: the row of its class."""
    return _TABLE[type(error)][1]


def from_dict(told: Mapping[str, Any]) -> EcosightError:
    """The error that ``as_dict`` described, of the class it had; of the root where its code is not known."""
    kind = next((each for each in _TABLE if each.code == told.get("code")), EcosightError)
    return kind(told.get("message", "it failed"), hint=told.get("hint", ""), **told.get("context", {}))
