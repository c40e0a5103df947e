# SPDX-License-Identifier: Apache-2.0
"""The SDK's clients of Azure and Google Cloud, which have copies of all classes: whole spans."""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import Any, Final
from unittest.mock import MagicMock

import pytest

from emulator import Emulator
from tests.support import names as s
from tests.support import sdk
from tests.support.completions import (
    MESSAGES,
    answered,
    assert_is,
    is_stream,
    named,
    place,
    usage,
    whole,
)
from tests.support.methods import PAPER
from tests.support.recording import Recording, Span, wait_until

CHAT: Final[dict[str, Any]] = {"model": "mistral-large-2411", "messages": MESSAGES}
FIM: Final[dict[str, Any]] = {"model": "codestral-2501", "prompt": "def", "suffix": "end"}
CALLS: Final = [
    ("azure", "chat.complete", CHAT),
    ("azure", "chat.stream", CHAT),
    ("google", "chat.complete", CHAT),
    ("google", "chat.stream", CHAT),
    ("google", "fim.complete", FIM),
    ("google", "fim.stream", FIM),
]
# The conventions' names for who hosts the models.
PROVIDERS: Final = {"azure": "azure.ai.inference", "google": "gcp.vertex_ai"}
OPERATIONS: Final = {"chat": "chat", "fim": "text_completion"}
USED: Final = usage(14, 9, 23)  # Google has one path for both
AZURE_HAS_OCR: Final = sdk.VERSION >= (1, 12)


def azure(url: str) -> Any:
    if sdk.VERSION >= (2,):
        return importlib.import_module("mistralai.azure.client").MistralAzure("key", None, url)
    return importlib.import_module("mistralai_azure").MistralAzure("key", url)


def google(url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    # Google's client imports google.auth, which with a token it does not use: not installed here.
    for name in ("", ".auth", ".auth.credentials", ".auth.transport", ".auth.transport.requests"):
        monkeypatch.setitem(sys.modules, f"google{name}", MagicMock())
    if sdk.VERSION >= (2,):
        make = importlib.import_module("mistralai.gcp.client").MistralGCP
    else:
        make = importlib.import_module("mistralai_gcp").MistralGoogleCloud
    made = make(region="here", project_id="mine", access_token="token")  # noqa: S106 -- of nothing
    made.sdk_configuration.server_url = url  # 1.x does not take it as an argument
    return made


@pytest.fixture
def clients(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A client of each cloud, both of which are the emulator."""
    emulator.clear()
    return {"azure": azure(emulator.url), "google": google(emulator.url, monkeypatch)}


async def awaited(client: Any, method: str, given: dict[str, Any]) -> None:
    http = client.sdk_configuration.async_client
    result = await named(client, method)(**given)
    if is_stream(result):
        assert [event async for event in result]
    await http.aclose()


@pytest.mark.parametrize("twin", ["", "_async"], ids=["sync", "async"])
@pytest.mark.parametrize(("cloud", "method", "given"), CALLS)
def test_a_call_to_a_cloud_is_the_same_span_elsewhere(
    emulator: Emulator, clients: dict[str, Any], recording: Recording, cloud: str, method: str,
    given: dict[str, Any], twin: str,
) -> None:  # fmt: skip
    if twin:
        asyncio.run(awaited(clients[cloud], method + twin, given))
    elif is_stream(result := named(clients[cloud], method)(**given)):
        assert list(result)
    assert len(emulator.requests) == 1
    api, model = method.partition(".")[0], given["model"]
    operation = OPERATIONS[api]
    expected = {
        **place(emulator),
        s.PROVIDER_NAME: PROVIDERS[cloud],
        s.OPERATION_NAME: operation,
        s.REQUEST_MODEL: model,
        **answered(model, "stop"),
        **USED,
    }
    span = whole(recording, streamed=method.endswith("stream"))
    assert_is(span, Span(f"{operation} {model}", expected))
    points = [attributes for told in recording.metrics().values() for attributes, _ in told]
    assert points
    assert {point[s.PROVIDER_NAME] for point in points} == {PROVIDERS[cloud]}


@pytest.mark.skipif(not AZURE_HAS_OCR, reason="the client of Azure has no OCR before 1.12")
def test_azure_reads_documents(
    emulator: Emulator, clients: dict[str, Any], recording: Recording
) -> None:
    clients["azure"].ocr.process(model="m", document=PAPER)
    expected = {
        **place(emulator),
        s.PROVIDER_NAME: PROVIDERS["azure"],
        s.OPERATION_NAME: "generate_content",
        s.REQUEST_MODEL: "m",
        s.RESPONSE_MODEL: "m",
        s.USAGE_PAGES: 2,
        s.USAGE_DOCUMENT_BYTES: 20480,
    }
    assert_is(recording.span(), Span("generate_content m", expected))


@pytest.mark.parametrize("cloud", ["azure", "google"])
def test_a_stream_of_a_cloud_that_is_left_is_closed(
    clients: dict[str, Any], recording: Recording, cloud: str
) -> None:
    with clients[cloud].chat.stream(**CHAT) as stream:
        next(stream)
    attributes = recording.span().attributes
    assert attributes[s.STREAM_OUTCOME] == "closed"
    assert recording.span().status == "UNSET"
    assert s.RESPONSE_TIME_TO_FIRST_CHUNK not in attributes


@pytest.mark.parametrize("cloud", ["azure", "google"])
def test_a_stream_of_a_cloud_that_is_dropped_is_abandoned(
    clients: dict[str, Any], recording: Recording, cloud: str
) -> None:
    next(clients[cloud].chat.stream(**CHAT))
    wait_until(lambda: len(recording.finished()) == 1)
    assert recording.span().attributes[s.STREAM_OUTCOME] == "abandoned"


@pytest.mark.parametrize("cloud", ["azure", "google"])
def test_an_error_of_a_cloud_has_its_status(
    clients: dict[str, Any], recording: Recording, cloud: str
) -> None:
    headers = {"x-emulator-scenario": "http_429"}
    with pytest.raises(Exception, match="rate limit"):
        clients[cloud].chat.complete(**CHAT, http_headers=headers)
    span = recording.span()
    assert (span.status, span.description, span.events) == ("ERROR", "429", ["exception"])
    assert span.attributes[s.HTTP_STATUS_CODE] == 429


@pytest.mark.parametrize("cloud", ["azure", "google"])
def test_another_exception_of_a_cloud_is_the_sdks(
    clients: dict[str, Any], recording: Recording, cloud: str
) -> None:
    headers = {"x-emulator-scenario": "html"}
    with pytest.raises(Exception, match="text/html"):
        clients[cloud].chat.complete(**CHAT, http_headers=headers)
    assert recording.span().attributes[s.ERROR_TYPE] == "mistralai.SDKError"


def nothing(_request: Any) -> Any:
    return sdk.httpx.Response(404, json={})


def test_the_host_of_a_cloud_is_told(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = {"azure": "https://mine.azure.example/x", "google": "https://here-gcp.example:8443"}
    clients = {"azure": azure(urls["azure"]), "google": google(urls["google"], monkeypatch)}
    for client in clients.values():
        client.sdk_configuration.client = sdk.httpx.Client(
            transport=sdk.httpx.MockTransport(nothing)
        )
        with pytest.raises(Exception, match="404"):
            client.chat.complete(**CHAT)
    spans = [dict(span.attributes or {}) for span in recording.spans()]
    places = [(span[s.SERVER_ADDRESS], span[s.SERVER_PORT]) for span in spans]
    assert places == [("mine.azure.example", 443), ("here-gcp.example", 8443)]
    assert [span[s.PROVIDER_NAME] for span in spans] == list(PROVIDERS.values())


@pytest.mark.parametrize("cloud", ["azure", "google"])
def test_a_cloud_is_told_even_where_its_host_is_not(
    clients: dict[str, Any], recording: Recording, cloud: str
) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 -- refused, by an HTTP client of which there are two
        clients[cloud].chat.complete(**CHAT, server_url="http://[broken")
    attributes = recording.span().attributes
    assert attributes[s.PROVIDER_NAME] == PROVIDERS[cloud]
    assert s.SERVER_ADDRESS not in attributes
