"""Who may do what: API keys by role, from the environment only, and the guard that checks every request.

Roles hold what the one before them holds: ``predict`` asks for predictions and reads figures, ``upload`` also
contributes labelled data (uploads and feedback: both change what is learned), ``operate`` also starts retrainings,
lets models in and takes them back, and reads incidents, which name predictions and keys.
On loopback without keys everything is open, but to this machine's own programs alone: pages of other sites,
and names that were re-bound to loopback, are refused.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ecosight.config import Config
from ecosight.errors import ConfigError, EcosightError, Forbidden, Unauthenticated

__all__ = ["DOCS_FILES", "KEYS_VARIABLE", "ROLES", "ApiKeys", "Caller", "Guard", "check_binding", "is_loopback"]

KEYS_VARIABLE = "ECOSIGHT_API_KEYS"
ROLES = ("predict", "upload", "operate")
MIN_KEY_LENGTH = 16
_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}")

# What a route needs, by method and path; every other one needs a key of any role.
_NEEDS = {
    ("POST", "/upload"): "upload",
    ("POST", "/feedback"): "upload",
    ("POST", "/retrain"): "operate",
}
# The same below the first part of a path: for reading, and for everything else.
_NEEDS_BELOW = {
    "rollouts": ("predict", "operate"),
    "rollback": ("operate", "operate"),
    "incidents": ("operate", "operate"),
}
# Hold nothing but the description of the interface; a browser cannot send a key for them.
DOCS_FILES = "/docs/files"
_OPEN_PATHS = frozenset(
    {"/", "/docs", "/openapi.json", "/docs/oauth2-redirect", "/favicon.ico"}
    | {f"{DOCS_FILES}/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")}
)
_HEALTH_PATHS = frozenset({"/health", "/health/live", "/health/ready"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the name stands in the audit trail."""

    name: str
    role: str

    def may(self, role: str) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


_NOBODY_IN_PARTICULAR = Caller("somebody without a key", ROLES[-1])
"""Where no keys are set, everybody who gets this far may do everything."""


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """Digests of the keys with their owners. The keys themselves are not kept."""

    entries: tuple[tuple[bytes, Caller], ...]

    def __bool__(self) -> bool:
        return bool(self.entries)

    @classmethod
    def from_text(cls, text: str) -> ApiKeys:
        """Parse ``role:key,role/name:key``.

        Raises: ConfigError: names the entry by its place, never by its key.
        """
        found = []
        for place, entry in enumerate((part.strip() for part in text.split(",")), start=1):
            owner, _, key = entry.partition(":")
            role, named, name = owner.partition("/")
            if not entry:
                continue
            if role not in ROLES or (named and not _NAME.fullmatch(name)):
                raise ConfigError(
                    f"entry {place} of {KEYS_VARIABLE} does not begin with a role, or with a role and a name",
                    hint=f"Write role:key or role/name:key, with one of the roles {', '.join(ROLES)}; "
                    "a name has up to 40 letters, digits, dots, - and _.",
                )
            if len(key) < MIN_KEY_LENGTH or not key.isascii() or any(each.isspace() for each in key):
                raise ConfigError(
                    f"the key of entry {place} of {KEYS_VARIABLE} is too weak or cannot be sent in a header",
                    hint=f"Take at least {MIN_KEY_LENGTH} ASCII characters: `openssl rand -hex 24` makes 48.",
                )
            found.append((_digest(key.encode()), Caller(name or f"key {place} ({role})", role)))
        return cls(tuple(found))

    def caller_of(self, key: bytes) -> Caller | None:
        """Whose key it is; takes the same time whichever entry matches."""
        digest, caller = _digest(key), None
        for known, owner in self.entries:
            if hmac.compare_digest(known, digest):
                caller = owner
        return caller


def check_binding(config: Config, environ: Mapping[str, str] | None = None) -> str:
    """Whether this configuration may be served, in one sentence.

    Raises: ConfigError: bound beyond loopback, or told to require keys, and there are none; or unusable keys.
    """
    keys, host = _keys(environ), config.serving.host
    if keys:
        return f"{len(keys.entries)} keys; every request needs one"
    if config.security.require_keys is False:
        return f"open to everybody who reaches {host}: security.require_keys is false"
    if config.security.require_keys or not is_loopback(host):
        why = "security.require_keys is true" if config.security.require_keys else f"{host} is not loopback"
        raise ConfigError(
            f"{KEYS_VARIABLE} is not set, and {why}",
            hint=f"Set {KEYS_VARIABLE}=operate:KEY,predict:KEY with keys from `openssl rand -hex 24`, "
            "or serve on 127.0.0.1.",
        )
    return f"no keys needed: {host} is loopback"


def is_loopback(host: str) -> bool:
    """Whether an address or name can be reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Decides about one request from its method, path and headers. Stateless after it is made; thread-safe."""

    def __init__(self, config: Config, environ: Mapping[str, str] | None = None) -> None:
        check_binding(config, environ)
        self._keys = _keys(environ)
        self._origins = frozenset(config.security.cors_origins)
        self._local_only = not self._keys and is_loopback(config.serving.host)

    def check(self, method: str, path: str, headers: Headers) -> EcosightError | None:
        """The reason to refuse the request, or None."""
        if path in _HEALTH_PATHS:
            return None
        if self._keys:
            return None if path in _OPEN_PATHS else self._check_key(method, path, headers)
        return self._check_site(method, headers)

    def caller(self, headers: Headers) -> Caller | None:
        """Who sent a request; None: with a key that is not known, or without one where keys are set."""
        if not self._keys:
            return _NOBODY_IN_PARTICULAR
        key = _key_of(headers)
        return None if key is None else self._keys.caller_of(key)

    def _check_key(self, method: str, path: str, headers: Headers) -> EcosightError | None:
        caller = self.caller(headers)
        if caller is None:
            said = "an API key is needed" if _key_of(headers) is None else "the API key is not known"
            return Unauthenticated(said, hint="Send it as X-API-Key: KEY or Authorization: Bearer KEY.")
        needed = _needed(method, path)
        if not caller.may(needed):
            return Forbidden(f"a key with the role {caller.role} may not do this", hint=f"It takes the role {needed}.")
        return None

    def _check_site(self, method: str, headers: Headers) -> EcosightError | None:
        """Without keys, a page of another site in a local browser is the one stranger who could come in."""
        host, origin = _header(headers, b"host"), _header(headers, b"origin")
        if self._local_only and host and not is_loopback(_hostname("//" + host)):
            return Forbidden(
                f"without API keys this server answers to loopback names only, not to {host}",
                hint=f"Set {KEYS_VARIABLE} to serve under another name.",
            )
        if origin and method not in _SAFE_METHODS and origin not in self._origins and "*" not in self._origins:
            same_site = origin.partition("://")[2] == host
            if not same_site:
                return Forbidden(f"pages of {origin} may not call this", hint="security.cors_origins lists who may.")
        return None


def _needed(method: str, path: str) -> str:
    reading, changing = _NEEDS_BELOW.get(path.split("/", 2)[1] if "/" in path else "", (ROLES[0], ROLES[0]))
    return _NEEDS.get((method, path), reading if method in _SAFE_METHODS else changing)


def _keys(environ: Mapping[str, str] | None) -> ApiKeys:
    return ApiKeys.from_text((os.environ if environ is None else environ).get(KEYS_VARIABLE, ""))


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _key_of(headers: Headers) -> bytes | None:
    for name, value in headers:
        if name == b"x-api-key":
            return value
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return value[7:].strip()
    return None


def _header(headers: Headers, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in headers if name == wanted), "")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
