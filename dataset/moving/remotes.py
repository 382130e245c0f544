"""Owns where a dataset is pushed to and pulled from: a folder or a bucket that holds blobs and refs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from dataset.storing.blob_files import FreshBlobs
from ecosight.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from ecosight.ports import BlobStore, RefStore

__all__ = ["Remote", "open_remote"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Another place that holds versions. ``address`` is how people name it."""

    address: str
    blobs: BlobStore
    refs: RefStore


def open_remote(address: str, *, made: bool = False) -> Remote:
    """The remote behind an address.

    Args:
        address: a folder; or ``s3://bucket/prefix``, with ``?endpoint_url=…&region=…`` for stores beside Amazon's.
        made: a folder must be there already: what is fetched from comes from somewhere.
    Raises: InvalidInput: no such address, or endpoint. Unavailable: it cannot be reached. NotFound: no such folder.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        raise _no_remote(address) from None
    if parts.scheme == "s3" and parts.netloc:
        from dataset.moving.s3_refs import S3Refs
        from ecosight.blobs import S3Blobs

        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if unknown := set(asked) - {"endpoint_url", "region"}:
            raise InvalidInput(f"{address!r} asks for {min(unknown)}", hint="Known: endpoint_url and region.")
        place = (parts.netloc, parts.path.strip("/"), asked.get("endpoint_url"), asked.get("region"))
        return Remote(address=address, blobs=FreshBlobs(S3Blobs(*place)), refs=S3Refs(*place))
    # An empty address is a variable that is not set, and not the current folder.
    if parts.scheme in ("", "file") and parts.path:
        from dataset.moving.file_refs import FileRefs
        from ecosight.blobs import LocalBlobs

        folder = Path(parts.path if parts.scheme else address)
        if made and not folder.is_dir():
            raise NotFound(f"there is no folder {address!r}", hint="`ecosight dataset push` makes a remote there.")
        return Remote(address=address, blobs=FreshBlobs(LocalBlobs(folder / "blobs")), refs=FileRefs(folder / "refs"))
    raise _no_remote(address)


def _no_remote(address: str) -> InvalidInput:
    return InvalidInput(f"{address!r} is no remote", hint="Give a folder, or s3://bucket/prefix.")
