# SPDX-License-Identifier: Apache-2.0
"""The doctor says what is wrong and how to mend it, and says that all is well only when it is."""

from __future__ import annotations

import socket
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from opentelemetry.instrumentation.genai.mistralai import _log as _guard
from opentelemetry.instrumentation.genai.mistralai._doctor import (
    endpoint as endpoint_module,
)
from opentelemetry.instrumentation.genai.mistralai._doctor.exporting import check as check_exporting
from opentelemetry.instrumentation.genai.mistralai._doctor.report import Report, shown
from opentelemetry.instrumentation.genai.mistralai._doctor.variables import check as check_variables
from tests.doctor.running import GRPC, HTTP, ROOT, Http, Visit, answering, doctor, http2
from tests.support.strict import STRICT

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
NOTHING = dict.fromkeys(
    ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"), "none"
)
CONSOLE = {**NOTHING, "OTEL_TRACES_EXPORTER": "console"}
TRACES = {**NOTHING, "OTEL_TRACES_EXPORTER": "otlp"}
SECRET = "s3cr3t"  # noqa: S105 -- one that must not be shown


def endpoint(port: int, path: str = "") -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}{path}"}


def test_all_is_well() -> None:
    took_all = Http("200 OK")
    with answering(took_all) as port:
        visit = doctor(**HTTP, **endpoint(port))
    assert (visit.problems, visit.stderr, visit.code) == ([], "", 0)
    assert visit.text.endswith("\nNothing is wrong.\n")
    assert [request.split()[:2] for request in took_all.requests] == [
        [b"POST", f"/v1/{signal}".encode()] for signal in ("traces", "metrics", "logs")
    ]
    assert all(b"application/x-protobuf" in request for request in took_all.requests)
    for said in (
        f"Python {sys.version.split()[0]}", "opentelemetry-instrumentation-genai-mistralai 0.",
        "which is supported", "conversations.start_stream", "chat.complete", "speech.complete",
        "conversations.run_stream_async", "The plugin is found: entry point genai-mistralai",
        "exporter otlp_proto_http", f"http://127.0.0.1:{port}/v1/traces answers 200",
    ):  # fmt: skip
        assert said in visit.words
    assert max(map(len, visit.text.splitlines())) <= 80


# The endpoint


@pytest.mark.parametrize(
    ("status", "said", "mend"),
    [
        ("404 Not Found", "nothing takes OTLP at this path", "/v1/traces"),
        ("405 Method Not Allowed", "nothing takes OTLP at this path", "4318"),
        ("401 Unauthorized", "it does not know you", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("415 Unsupported Media Type", "it does not take protobuf", "OTLP over HTTP"),
        ("503 Service Unavailable", "overloaded, or not ready", "try again"),
        ("500 Internal Server Error", "which an OTLP endpoint does not", "see the log"),
    ],
)
def test_an_answer_that_is_no_otlp_is_explained(status: str, said: str, mend: str) -> None:
    with answering(Http(status)) as port:
        found = asked(f"http://127.0.0.1:{port}/v1/traces")
    assert found.text.startswith(f"http://127.0.0.1:{port}/v1/traces answers {status[:3]}")
    assert said in found.text
    assert mend in (found.mend or "")


def asked(url: str, *, grpc: bool = False) -> Any:
    """What is found at an endpoint; no proxy is asked for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "*")
        return endpoint_module.probe(
            endpoint_module.Endpoint(url, grpc=grpc, headers="", ca_file="")
        )


def test_a_wrong_path_is_a_problem_with_its_mend() -> None:
    with answering(Http("404 Not Found")) as port:
        visit = doctor(**TRACES, **HTTP, **endpoint(port, "/v1/traces"))
    (problem,) = visit.problems
    what, _, to_do = problem.partition(" -> ")
    assert what == (
        f"http://127.0.0.1:{port}/v1/traces/v1/traces answers 404: nothing takes OTLP at this path"
    )
    assert to_do.startswith("the path is /v1/traces, which is added to OTEL_EXPORTER_OTLP_ENDPOINT")
    assert visit.code == 1


def test_a_refused_empty_request_is_an_answer() -> None:
    with answering(Http("400 Bad Request")) as port:
        assert asked(f"http://127.0.0.1:{port}/v1/traces").mend is None


@pytest.mark.parametrize("grpc", [False, True], ids=["http", "grpc"])
def test_where_nothing_listens_it_says_so(*, grpc: bool) -> None:
    with answering(http2) as port:
        """Nothing listens there any more."""
    found = asked(f"http://127.0.0.1:{port}", grpc=grpc)
    assert found.text == f"http://127.0.0.1:{port}: nothing listens there"
    assert found.mend.startswith("start your collector or Jaeger")
    # It may be there, and take the other protocol: a Jaeger with nothing but port 4318.
    assert ("set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in found.mend) == grpc


def test_http_to_the_port_of_grpc_is_told_which_port_is_right() -> None:
    with answering(http2) as port:
        visit = doctor(**TRACES, **HTTP, **endpoint(port))
    (problem,) = visit.problems
    assert "-> OTLP over HTTP is port 4318" in problem
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=grpc" in problem


def test_grpc_is_greeted_and_to_the_port_of_http_is_told_which_port_is_right() -> None:
    with answering(http2) as port:
        found = asked(f"http://127.0.0.1:{port}", grpc=True)
        assert found == (f"http://127.0.0.1:{port} answers, over gRPC", None)
    with answering(Http("200 OK")) as port:
        found = asked(f"http://127.0.0.1:{port}", grpc=True)
    assert found.text == f"http://127.0.0.1:{port} speaks HTTP/1 and no gRPC"
    assert "4317" in found.mend


def test_an_endpoint_that_is_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for grpc in (True, False):
            found = asked(f"http://127.0.0.1:{silent.getsockname()[1]}", grpc=grpc)
            assert "does not answer within" in found.text
            assert found.mend is not None


@pytest.mark.parametrize("url", ["collector:4318", "ftp://collector", "http://", "http://[::1"])
def test_what_is_no_address_is_told(url: str) -> None:
    found = asked(url)
    assert found.text.endswith(" is no endpoint")
    assert found.mend.startswith("it begins with http:// or https://")


def test_secrets_are_sent_and_never_shown() -> None:
    took_all = Http("200 OK")
    with answering(took_all) as port:
        visit = doctor(
            **TRACES, **HTTP,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{SECRET}:{SECRET}@127.0.0.1:{port}",
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://127.0.0.1:{port}/in?key={SECRET}",
            OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer%20{SECRET},x-b=%22",
            OTEL_EXPORTER_OTLP_TRACES_HEADERS=f"x-api={SECRET}",
            OTEL_RESOURCE_ATTRIBUTES=f"service.name=shop,token={SECRET}",
            MISTRAL_API_KEY=SECRET,
        )  # fmt: skip
    (request,) = took_all.requests
    assert f"x-api: {SECRET}".lower().encode() in request.lower()
    assert request.startswith(f"POST /in?key={SECRET} ".encode())
    assert SECRET not in visit.text + visit.stderr
    assert "service.name, token (values not shown)" in visit.words
    assert "127.0.0.1" in visit.text
    assert visit.code == 0


@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:s3cr3t@host:1/in?key=s3cr3t#s3cr3t",
         "https://host:1/in"),
        ("OTEL_EXPORTER_ANY_ENDPOINT", "http://a,http://me:s3cr3t@b", "(set; not shown)"),
        ("OTEL_EXPORTER_ANY_ENDPOINT", "me:s3cr3t@host", "(set; not shown)"),
        ("OTEL_VENDOR_API_TOKEN", "s3cr3t", "(set; not shown)"),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "a=s3cr3t", "(set; not shown)"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=s3cr3t", "team (values not shown)"),
        ("OTEL_SERVICE_NAME", "shop\x1b[2J", "shop?[2J"),
    ],
)  # fmt: skip
def test_a_value_is_shown_without_its_secrets(name: str, value: str, seen: str) -> None:
    assert shown(name, value) == seen


# Variables


@pytest.mark.parametrize(
    ("variables", "said", "mend"),
    [
        ({CAPTURE: "true"}, f"{CAPTURE}=true: unknown", "span_only"),
        ({"OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "yes"}, "EVENT=yes: unknown", "true, false"),
        ({"OTEL_INSTRUMENTATION_GENAI_MISTRALAI_METRIC_NAMES": "new"}, "=new: unknown", "latest"),
        ({"OTEL_INSTRUMENTATION_GENAI_MISTRALAI_INSIDE_INFERENCE": "no"}, "unknown", "adopt"),
        ({"OTEL_INSTRUMENTATION_GENAI_MISTRALAI_SESSION_SPANS": "0"}, "unknown", "true, false"),
        ({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGES_CONTENT": "span_only"}, "unknown here",
         f"did you mean {CAPTURE}?"),
        ({"OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK": "uplaod"}, "no hook is called", "upload"),
        ({"OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK": "upload"}, "no hook is called",
         "set OTEL_INSTRUMENTATION_GENAI_UPLOAD_BASE_PATH"),
        ({"OTEL_SDK_DISABLED": "true"}, "nothing is recorded at all", "unset OTEL_SDK_DISABLED"),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, "no span is recorded", "always_on"),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, "only inside a trace", "always_on"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"},
         "no span is recorded", "OTEL_TRACES_SAMPLER_ARG"),
        ({"OTEL_TRACES_SAMPLER": "sometimes"}, "=sometimes: unknown", "parentbased_always_on"),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "redis, genai-mistralai"},
         "leaves mistralai alone", "take genai-mistralai"),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}, "leaves mistralai alone", "take"),
        ({"OTEL_PYTHON_TRACER_PROVIDER": "nobodys"}, "nobodys is not installed", "sdk_tracer"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "exporter zipkin is not installed",
         "pip install opentelemetry-exporter-zipkin"),
        ({"OTEL_TRACES_EXPORTER": "otlp", **GRPC}, "exporter otlp_proto_grpc is not installed",
         "pip install opentelemetry-exporter-otlp-proto-grpc"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http"},
         "exporter http is not installed", "grpc or http/protobuf"),
    ],
)  # fmt: skip
def test_each_thing_that_is_wrong_is_told_with_its_mend(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str, mend: str
) -> None:
    written = StringIO()
    report = Report(written)
    environment = {**CONSOLE, **variables}
    monkeypatch.setattr(_guard, "_reported", set[tuple[str, str]]())
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    check_variables(report, environment)
    check_exporting(report, environment)
    visit = Visit(report.conclude(), written.getvalue(), "")
    (problem,) = visit.problems
    what, _, to_do = problem.partition(" -> ")
    assert said in what
    assert mend in to_do
    assert visit.code == 1
    assert visit.text.endswith("\n1 thing is wrong.\n")
    assert max(map(len, visit.text.splitlines())) <= 80


def test_many_things_that_are_wrong_are_all_told() -> None:
    visit = doctor(
        **CONSOLE,
        **{CAPTURE: "true"},
        OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK="upload",
        OTEL_SDK_DISABLED="true",
        OTEL_TRACES_SAMPLER="always_off",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="genai-mistralai",
    )
    assert len(visit.problems) == 5
    assert (visit.code, visit.stderr) == (1, "")
    assert visit.text.endswith("\n5 things are wrong.\n")
    assert max(map(len, visit.text.splitlines())) <= 80


def test_what_is_right_is_explained_and_is_no_problem(tmp_path: Path) -> None:
    visit = doctor(
        **CONSOLE,
        **{CAPTURE: "Span_Only"},
        OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK="upload",
        OTEL_INSTRUMENTATION_GENAI_UPLOAD_BASE_PATH=str(tmp_path),
        OTEL_SEMCONV_STABILITY_OPT_IN="gen_ai_latest_experimental",
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0.1",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="redis",
        OTEL_INSTRUMENTATION_GENAI_SOMETHING_ELSE="of another package",
    )
    assert (visit.problems, visit.code, visit.stderr) == ([], 0, "")
    for said in (
        "Span_Only: what users say is recorded on spans",
        "upload: called with the content of each inference call",
        "gen_ai_latest_experimental: no effect on this package",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=redis",
        "OTEL_INSTRUMENTATION_GENAI_SOMETHING_ELSE=of another package: unknown here",
        "traces: exporter console",
        "metrics: OTEL_METRICS_EXPORTER=none",
    ):
        assert said in visit.words
    # What the hook writes to see whether it can, it has taken away again.
    assert list(tmp_path.iterdir()) == []


# The environment that it is in


def made(tmp_path: Path, *requirements: str) -> str:
    """An environment with this package and nothing but what it needs, and these."""
    uv, python = find_uv_bin(), str(tmp_path / "venv" / "bin" / "python")
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv")],
        [uv, "pip", "install", "--quiet", "--python", python, str(ROOT), *requirements],
    ):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
        assert done.returncode == 0, done.stderr
    return python


def test_it_works_with_nothing_but_the_packages_own_dependencies(tmp_path: Path) -> None:
    python = made(tmp_path)
    visit = doctor(*STRICT, python=python)
    assert (visit.code, visit.stderr) == (1, "")
    what = [problem.partition(" -> ") for problem in visit.problems]
    assert [(said, mend) for said, _, mend in what] == [
        ("opentelemetry-sdk is not installed: without it nothing is recorded",
         "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"),
        ("mistralai is not installed", "pip install 'mistralai>=1.8.0,<4'"),
        ("No method of mistralai was found: it cannot be imported",
         "pip install 'mistralai>=1.8.0,<4', and try: python -c 'import mistralai'"),
    ]  # fmt: skip
    assert "No distro is installed" in visit.words


@pytest.mark.parametrize(
    ("version", "supported", "absent"),
    [("1.12.4", True, "responses.create"), ("1.7.1", False, None)],
)
def test_it_says_whether_the_sdk_is_supported_and_what_it_lacks(
    tmp_path: Path, version: str, *, supported: bool, absent: str | None
) -> None:
    visit = doctor(python=made(tmp_path, f"mistralai=={version}", "opentelemetry-sdk"))
    assert (f"mistralai {version}, which is supported" in visit.words) == supported
    assert visit.code == (0 if supported else 1), visit.text
    if absent is not None:
        patched, _, missing = visit.words.partition("Only in other versions of mistralai, ")
        lacks, _, needs_extra = missing.partition("Not there: ")
        assert absent in lacks
        assert "mistral_agents.create" in patched
        # 1.12 has transcription, but it cannot be imported without what only an extra installs.
        assert needs_extra.startswith("extra.realtime.transcription.connect")
        assert "pip install 'mistralai[realtime]'" in needs_extra
        assert "extra.realtime" not in lacks
    else:
        said = visit.problems
        assert said[0].startswith(f"mistralai {version} is not supported: it is not instrumented")
        assert any(problem.startswith("There and not patched: ") for problem in said)
