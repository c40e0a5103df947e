# SPDX-License-Identifier: Apache-2.0
"""TLS and a token, for what is sent and for who looks; without either nothing gets through."""

from __future__ import annotations

import base64
import json
import ssl
import sys
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.deploy.diaries import Diary
from tests.deploy.gateway import Gateway
from tests.deploy.jaegers import JaegerPart, OneJaeger, run_jaeger
from tests.deploy.parts import Part, fetch, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator import Emulator


@dataclass
class Secured:
    """A Jaeger behind the gateway."""

    gateway: Gateway
    jaeger: OneJaeger
    folder: Path

    @property
    def traces_url(self) -> str:
        """Where spans go."""
        return f"https://127.0.0.1:{self.gateway.otlp_http}/v1/traces"

    def has(self, trace_id: str) -> bool:
        """Whether Jaeger, asked behind the gateway's back, has a trace."""
        status, _ = fetch(f"http://127.0.0.1:{self.jaeger.query_port}/api/traces/{trace_id}")
        assert status in {200, 404}
        return status == 200


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One that answers."""
    folder = tmp_path_factory.mktemp("secured")
    with ExitStack() as stack:
        jaeger = OneJaeger(stack, folder)
        jaeger.view()
        behind = {
            "otlp:4318": jaeger.otlp_port,
            "otlp:4317": jaeger.otlp_grpc_port,
            "ui:16686": jaeger.query_port,
        }
        yield Secured(Gateway(stack, folder / "gateway", behind), jaeger, folder)


def one_span() -> tuple[str, bytes]:
    """A span in OTLP's JSON, and the id of its trace."""
    trace = uuid.uuid4().hex
    span = {"traceId": trace, "spanId": "1" * 16, "name": "a"}
    return trace, json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def run_relay(stack: ExitStack, secured: Secured, token: str) -> tuple[JaegerPart, str]:
    """Runs a Collector that sends over gRPC to the gateway; returns it and where it takes spans."""
    (port,) = free_ports(1)
    environment = {
        "OTLP_HTTP_ENDPOINT": f"127.0.0.1:{port}",
        "GATEWAY": f"https://127.0.0.1:{secured.gateway.otlp_grpc}",
        "AUTHORITY": str(secured.gateway.authority),
        "TOKEN": token,
    }
    config = "../../tests/deploy/relay.yaml"
    part = run_jaeger(stack, config, secured.folder, environment, f"relay-{port}")
    url = f"http://127.0.0.1:{port}/v1/traces"
    part.listens(port)
    return part, url


def run_program(secured: Secured, emulator: Emulator, token: str) -> tuple[Diary, str]:
    """A program converses a while and sends as the README says; its diary and its log."""
    gateway = secured.gateway
    folder = secured.folder / uuid.uuid4().hex
    folder.mkdir()
    enough, diary = folder / "enough", folder / "diary"
    command = [sys.executable, "-m", "tests.deploy.program", emulator.url, str(enough), str(diary)]
    environment = {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://127.0.0.1:{gateway.otlp_http}",
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{token}",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": str(gateway.authority),
        # Both win over the certificate in the exporter of 1.45, as the README says, too.
        "REQUESTS_CA_BUNDLE": "",
        "CURL_CA_BUNDLE": "",
        "OTEL_SERVICE_NAME": folder.name,
    }
    with ExitStack() as stack:
        program = Part("program", command, folder, environment)
        stack.callback(program.kill)
        program.until(lambda: Diary(diary).calls or None)
        enough.touch()
        assert program.process.wait(60) == 0, program.says()
        return Diary(diary), program.log.read_text()


def test_a_program_with_the_token_is_heard(secured: Secured, emulator: Emulator) -> None:
    gateway = secured.gateway
    diary, _ = run_program(secured, emulator, gateway.token)
    assert {call.trace for call in diary.calls} == set(diary.acknowledged)
    trace = diary.calls[0].trace
    url = f"https://127.0.0.1:{gateway.ui}/api/traces/{trace}"
    status, body, _ = gateway.fetch(url, f"Bearer {gateway.token}")
    assert status == 200
    spans = {span["spanID"] for span in json.loads(body)["data"][0]["spans"]}
    assert spans == diary.acknowledged[trace]
    shown = fetch(f"http://{secured.jaeger.part.metrics}/metrics")[1]
    assert b"gen_ai_client_operation_duration_seconds_count" in shown


def test_a_program_with_a_wrong_token_goes_on_and_is_not_heard(
    secured: Secured, emulator: Emulator
) -> None:
    diary, log = run_program(secured, emulator, "wrong-token")
    assert diary.ended == 3 * len(diary.calls)
    assert diary.acknowledged == {}
    assert "401" in log
    assert "wrong-token" not in log
    assert not any(secured.has(call.trace) for call in diary.calls)


def test_a_collector_with_the_token_is_heard_over_grpc(secured: Secured) -> None:
    with ExitStack() as stack:
        _, url = run_relay(stack, secured, secured.gateway.token)
        trace, body = one_span()
        status, answer = fetch(url, body)
        assert status == 200, answer
        assert secured.has(trace)


def test_a_collector_with_a_wrong_token_is_refused_over_grpc(secured: Secured) -> None:
    with ExitStack() as stack:
        part, url = run_relay(stack, secured, "wrong")
        trace, body = one_span()
        status, _ = fetch(url, body)
        assert status in {401, 500}
        assert "Unauthenticated" in part.log.read_text()
        assert not secured.has(trace)


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Bearer ", "Basic d3Jvbmc6", "{}"])
def test_without_the_token_nothing_is_taken(secured: Secured, authorization: str) -> None:
    trace, body = one_span()
    # The token alone, without its scheme, is none.
    header = authorization.format(secured.gateway.token)
    status, _, _ = secured.gateway.fetch(secured.traces_url, header, body)
    assert status == 401
    assert not secured.has(trace)
    # What is refused is refused for its token.
    bearer = f"Bearer {secured.gateway.token}"
    assert secured.gateway.fetch(secured.traces_url, bearer, body)[0] == 200
    assert secured.has(trace)


@pytest.mark.parametrize("port", ["otlp_http", "otlp_grpc", "ui"])
def test_plain_text_is_refused(secured: Secured, port: str) -> None:
    number = getattr(secured.gateway, port)
    trace, body = one_span()
    status, answer = fetch(f"http://127.0.0.1:{number}/v1/traces", body)
    assert status == 400
    assert b"plain HTTP request was sent to HTTPS port" in answer
    assert not secured.has(trace)


@pytest.mark.parametrize("port", ["otlp_http", "ui"])
def test_who_does_not_know_the_authority_does_not_trust_it(secured: Secured, port: str) -> None:
    # Else TLS would not have been asked to prove anything.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    url = f"https://127.0.0.1:{getattr(secured.gateway, port)}/"
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urlopen(url, context=context)


def test_the_ui_asks_a_browser_for_the_token(secured: Secured) -> None:
    gateway = secured.gateway
    url = f"https://127.0.0.1:{gateway.ui}/"
    assert gateway.fetch(url)[::2] == (401, 'Basic realm="traces"')
    assert gateway.fetch(url, "Bearer wrong")[0] == 401
    said = base64.b64encode(f"traces:{gateway.token}".encode()).decode()
    for authorization in (f"Basic {said}", f"Bearer {gateway.token}"):
        status, body, asked = gateway.fetch(url, authorization)
        assert (status, asked) == (200, None)
        assert b"<html" in body


def test_the_log_says_whose_token_and_not_which(secured: Secured) -> None:
    gateway = secured.gateway
    gateway.fetch(f"https://127.0.0.1:{gateway.ui}/", f"Bearer {gateway.token}")
    log = gateway.part.log.read_text()
    assert gateway.token not in log
    assert " team-a" in log
