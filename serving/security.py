"""Who may do what: API keys by role, from the environment only, and the guard that checks every request.

Roles hold what the one before them holds: ``predict`` asks for predictions and reads figures, ``upload`` also
contributes labelled data (uploads and feedback: both change what is learned), ``operate`` also starts retrainings.
On loopback without keys everything is open, but to this machine's own programs alone: pages of other sites,
and names that were re-bound to loopback, are refused.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ecosight.config import Config
from ecosight.errors import ConfigError, EcosightError, Forbidden, Unauthenticated

__all__ = ["DOCS_FILES", "KEYS_VARIABLE", "ROLES", "ApiKeys", "Guard", "check_binding", "is_loopback"]

KEYS_VARIABLE = "ECOSIGHT_API_KEYS"
ROLES = ("predict", "upload", "operate")
MIN_KEY_LENGTH = 16

# What a route needs, by method and path; every other one needs a key of any role.
_NEEDS = {
    ("POST", "/upload"): "upload",
    ("POST", "/feedback"): "upload",
    ("POST", "/retrain"): "operate",
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
class ApiKeys:
    """Digests of the keys with their roles. The keys themselves are not kept."""

    entries: tuple[tuple[bytes, str], ...]

    def __bool__(self) -> bool:
        return bool(self.entries)

    @classmethod
    def from_text(cls, text: str) -> ApiKeys:
        """Parse ``role:key,role:key``.

        Raises: ConfigError: names the entry by its place, never by its key.
        """
        found = []
        for place, entry in enumerate((part.strip() for part in text.split(",")), start=1):
            role, _, key = entry.partition(":")
            if not entry:
                continue
            if role not in ROLES:
                raise ConfigError(
                    f"entry {place} of {KEYS_VARIABLE} does not begin with a role",
                    hint=f"Write role:key, with one of the roles {', '.join(ROLES)}.",
                )
            if len(key) < MIN_KEY_LENGTH or not key.isascii() or any(each.isspace() for each in key):
                raise ConfigError(
                    f"the key of entry {place} of {KEYS_VARIABLE} is too weak or cannot be sent in a header",
                    hint=f"Take at least {MIN_KEY_LENGTH} ASCII characters: `openssl rand -hex 24` makes 48.",
                )
            found.append((_digest(key.encode()), role))
        return cls(tuple(found))

    def role_of(self, key: bytes) -> str | None:
        """The role of a key; takes the same time whichever entry matches."""
        digest, role = _digest(key), None
        for known, its_role in self.entries:
            if hmac.compare_digest(known, digest):
                role = its_role
        return role


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

    def _check_key(self, method: str, path: str, headers: Headers) -> EcosightError | None:
        key = _key_of(headers)
        role = self._keys.role_of(key) if key is not None else None
        if role is None:
            said = "the API key is not known" if key is not None else "an API key is needed"
            return Unauthenticated(said, hint="Send it as X-API-Key: KEY or Authorization: Bearer KEY.")
        needed = _NEEDS.get((method, path), ROLES[0])
        if ROLES.index(role) < ROLES.index(needed):
            return Forbidden(f"a key with the role {role} may not do this", hint=f"It takes the role {needed}.")
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
