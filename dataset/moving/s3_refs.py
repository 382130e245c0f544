"""Owns refs as objects of an S3 bucket, moved by conditional writes: of two writers the store refuses one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, unquote

from dataset.moving.file_refs import target_in
from ecosight.blobs.s3_client import s3_client
from ecosight.errors import Unavailable

__all__ = ["S3Refs"]

_MISSING = {"404", "NoSuchKey", "NotFound"}
_LOST = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict", *_MISSING}
_NO_CONDITIONS = {"501", "NotImplemented"}


class S3Refs:
    """A ``RefStore`` in a bucket, below a prefix. Thread-safe. Credentials come as boto3 finds them.

    A ref that does not exist is made with ``If-None-Match: *``, one that does moves with ``If-Match``.
    """

    def __init__(
        self, bucket: str, prefix: str = "", endpoint_url: str | None = None, region: str | None = None
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/refs/" if prefix.strip("/") else "refs/"
        # A repeated conditional write would be refused for what its first try wrote.
        self._client = s3_client(endpoint_url, region, attempts=1)

    def get(self, name: str) -> str | None:
        return self._read(name)[0]

    def compare_and_set(self, name: str, expected: str | None, new: str) -> bool:
        """Point ``name`` to ``new`` if it still points to ``expected`` (None: does not exist).

        Raises: Unavailable: the bucket is away, or takes no conditional writes.
        """
        from botocore.exceptions import ClientError

        found, tag = self._read(name)
        if found != expected:
            return False
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        with self._told():
            try:
                self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=new.encode(), **condition)
            except ClientError as error:
                code = str(error.response.get("Error", {}).get("Code", ""))
                if code in _NO_CONDITIONS:
                    raise Unavailable(
                        f"the bucket {self._bucket!r} takes no conditional writes: writers could lose commits",
                        hint="Use a store that honours If-Match, or push from one place only to a folder.",
                    ) from error
                if code not in _LOST:
                    raise
                return False
        return True

    def names(self, prefix: str = "") -> list[str]:
        """Names that begin with the prefix, sorted by code point."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        with self._told():
            keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        names = (_name(key.removeprefix(self._prefix)) for key in keys)
        return sorted(name for name in names if name.startswith(prefix))

    def _read(self, name: str) -> tuple[str | None, str | None]:
        """The target and the object's tag."""
        from botocore.exceptions import ClientError

        with self._told():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key(name))
            except ClientError as error:
                if str(error.response.get("Error", {}).get("Code", "")) in _MISSING:
                    return None, None
                raise
            return target_in(answer["Body"].read(), name), str(answer["ETag"])

    def _key(self, name: str) -> str:
        # Some servers decode percent signs on the way; "=" is left alone, and itself escaped by ``quote``.
        return self._prefix + quote(name, safe="/").replace("%", "=")

    @contextmanager
    def _told(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        try:
            yield
        except (ClientError, BotoCoreError, HTTPClientError) as error:
            raise Unavailable(
                f"the bucket {self._bucket!r} cannot be used: {error}",
                hint="Check the address of the remote and the AWS_* variables.",
            ) from error


def _name(key: str) -> str:
    return unquote(key.replace("=", "%"))
