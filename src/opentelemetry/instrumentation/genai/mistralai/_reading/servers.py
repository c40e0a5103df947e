# SPDX-License-Identifier: Apache-2.0
"""Reads where a request goes from its URL, and who hosts the model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from .. import _names as s
from .fields import name_of

# A longer URL is no address: without the limit it would be parsed, and kept in the cache.
_MAX_URL: Final = 2048
# These are the conventions' names for who hosts the models that these clients of the SDK ask.
_PROVIDERS: Final = {"gcp": "gcp.vertex_ai", "azure": "azure.ai.inference"}


class Server(NamedTuple):
    """Describes where a request goes, and who hosts the model; alike requests share one."""

    address: str | None
    port: int | None
    provider: str


# The server, and its attributes on a span, which alike requests share.
Located = tuple[Server, "Mapping[str, str | int]"]


@lru_cache(maxsize=64)
def server_at(url: str, package: str) -> Located:
    """Returns the server of a URL that a client of this package of the SDK asks."""
    # The SDK's clients for other clouds are packages of their own, in 1.x beside `mistralai`.
    of = _PROVIDERS.get(package.removeprefix("mistralai")[1:].partition(".")[0], s.PROVIDER)
    if len(url) > _MAX_URL:
        return _located(Server(None, None, of))
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return _located(Server(name_of(parts.hostname), port, of))


def _located(server: Server) -> Located:
    attributes: dict[str, str | int] = {}
    if server.address:
        attributes[s.SERVER_ADDRESS] = server.address
        if server.port:
            attributes[s.SERVER_PORT] = server.port
    if server.provider is not s.PROVIDER:
        attributes[s.PROVIDER_NAME] = server.provider
    return server, attributes
