"""Owns how a client of an S3 store is made."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ecosight.errors import InvalidInput

__all__ = ["s3_client"]


def s3_client(endpoint_url: str | None, region: str | None, *, attempts: int) -> Any:
    """A thread-safe client. Credentials come as boto3 finds them.

    Args:
        endpoint_url: None for Amazon S3.
        attempts: how often a request is tried in all.
    Raises: InvalidInput: the endpoint is no address.
    """
    import boto3
    from botocore.config import Config

    if endpoint_url and not (urlsplit(endpoint_url).scheme in ("http", "https") and urlsplit(endpoint_url).hostname):
        raise InvalidInput(
            f"the endpoint {endpoint_url!r} of the S3 store is no address", hint="Such as https://s3.example.org:9000."
        )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region or ("us-east-1" if endpoint_url else None),
        config=Config(
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=32,
            retries={"mode": "standard", "max_attempts": attempts},
            # A bucket as a host name needs DNS that other endpoints seldom have.
            s3={"addressing_style": "path"} if endpoint_url else {},
        ),
    )
