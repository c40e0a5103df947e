# SPDX-License-Identifier: Apache-2.0
"""Where a request is found to go: host and port of its server, and nothing secret."""

from __future__ import annotations

import pytest

from opentelemetry.instrumentation.genai.mistralai._reading.requests import Request, locate
from tests.support.fake_events import UNSET


class Sdk:
    """An SDK object, configured for a server."""

    def __init__(self, url: str) -> None:
        self.sdk_configuration = self
        self._url = url

    def get_server_details(self) -> tuple[str, dict[str, str]]:
        return self._url, {}


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://api.mistral.ai", ("api.mistral.ai", 443)),
        ("http://127.0.0.1:8080/v1", ("127.0.0.1", 8080)),
        ("http://[::1]", ("::1", 80)),
        ("https://user:secret@Proxy.Example:8443/x?key=secret", ("proxy.example", 8443)),
        ("unix:/run/socket", (None, None)),
        # Half a surrogate pair cannot be encoded.
        ("http://a\ud800b", ("a?b", 80)),
        ("", (None, None)),
    ],
)
def test_the_server_is_host_and_port_and_no_secret(
    url: str, server: tuple[str | None, int | None]
) -> None:
    assert server_of(Sdk(url), {}) == server
    assert server_of(Sdk("https://other"), {"server_url": url}) == server


def server_of(sdk: object, kwargs: dict[str, object]) -> tuple[str | None, int | None]:
    """Where a request is found to go; the attributes say the same."""
    request = Request("chat", {})
    locate(request, sdk, kwargs)
    address, port, provider = request.server
    assert provider == "mistral_ai"
    found = {"server.address": address, "server.port": port}
    assert request.attributes == {key: value for key, value in found.items() if value is not None}
    return address, port


def test_a_server_that_cannot_be_known_leaves_the_call_without_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert server_of(object(), {}) == (None, None)
    assert len(caplog.records) <= 1


@pytest.mark.parametrize("url", [None, UNSET])
def test_a_server_url_that_was_not_sent_leaves_the_clients(url: object) -> None:
    assert server_of(Sdk("http://client:1"), {"server_url": url}) == ("client", 1)
