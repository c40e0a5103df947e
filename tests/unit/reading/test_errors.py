# SPDX-License-Identifier: Apache-2.0
"""What an error is called, and that what the user wrote is not in its description."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, Final

import pytest

from opentelemetry.instrumentation.genai.mistralai._content.exceptions import describe
from opentelemetry.instrumentation.genai.mistralai._reading.errors import (
    Failure,
    failure_of,
    failure_of_event,
    is_cancellation,
    is_word,
)
from opentelemetry.instrumentation.genai.mistralai._reading.fields import AttributeValue
from tests.support import names as s
from tests.support.fakes import typed


def sdk_error(
    name: str, module: str = "mistralai.client.errors.sdkerror", **fields: object
) -> Exception:
    """An exception like one of the SDK's, with the fields that it has."""
    exc: Exception = type(name, (Exception,), {"__module__": module})("the user's words")
    vars(exc).update(fields)
    return exc


def http_error(status: object, body: object = "") -> Exception:
    return sdk_error("SDKError", status_code=status, body=body)


def parts(failure: Failure) -> tuple[str, dict[str, AttributeValue], object]:
    return failure.type, dict(failure.attributes), failure.exception


class Outer:
    class InnerError(Exception):
        pass


class UnreadableError(Exception):
    """A transport's exception whose properties and text cannot be had."""

    @property
    def status_code(self) -> int:
        raise RuntimeError

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        (ValueError("the user's words"), "ValueError"),
        (TimeoutError(), "TimeoutError"),
        (json.JSONDecodeError("", "", 0), "json.decoder.JSONDecodeError"),
        (Outer.InnerError(), f"{__name__}.Outer.InnerError"),
        (sdk_error("ReadTimeout", "httpx2"), "httpx2.ReadTimeout"),
        (sdk_error("ReadTimeout", "mistralai_of_mine.x"), "mistralai_of_mine.x.ReadTimeout"),
        (sdk_error("NoResponseError", "mistralai.models"), "mistralai.NoResponseError"),
        (sdk_error("NoResponseError", "mistralai.client.errors"), "mistralai.NoResponseError"),
        (sdk_error("SDKError", "mistralai_azure.models"), "mistralai.SDKError"),
        (sdk_error("SDKError", "mistralai_gcp.models"), "mistralai.SDKError"),
        (http_error(200, '{"code": "1"}'), "mistralai.SDKError"),
        (http_error(399), "mistralai.SDKError"),
        (http_error(status=True), "mistralai.SDKError"),
        (http_error("429"), "mistralai.SDKError"),
        (http_error(None), "mistralai.SDKError"),
        (sdk_error("HTTPValidationError", "my.own"), "my.own.HTTPValidationError"),
    ],
)
def test_an_exception_without_a_status_is_named_by_its_class(exc: Exception, kind: str) -> None:
    assert parts(failure_of(exc)) == (kind, {}, exc)


@pytest.mark.parametrize(
    ("exc", "status"),
    [
        (http_error(400), 400),
        (http_error(429), 429),
        (http_error(529), 529),
        (http_error(HTTPStatus.SERVICE_UNAVAILABLE), 503),
        (sdk_error("HTTPValidationError", "mistralai.models"), 422),
        (sdk_error("HTTPStatusError", "httpx2", status_code=404), 404),
    ],
)
def test_an_http_status_of_400_or_more_is_the_name(exc: Exception, status: int) -> None:
    assert parts(failure_of(exc)) == (str(status), {s.HTTP_STATUS_CODE: status}, exc)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"code": "invalid_model"}', "invalid_model"),
        ('{"code": 3051}', "3051"),
        ('{"code": "' + "x" * 64 + '"}', "x" * 64),
        # A refused handshake has bytes.
        (b'{"code": "x"}', "x"),
    ],
)
def test_the_code_in_the_body_is_recorded_as_text(body: object, code: str) -> None:
    exc = http_error(400, body)
    failure = failure_of(exc)
    assert parts(failure) == ("400", {s.HTTP_STATUS_CODE: 400, s.ERROR_CODE: code}, exc)
    assert typed(failure.attributes) == typed({s.HTTP_STATUS_CODE: 400, s.ERROR_CODE: code})


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>",
        "null",
        "[]",
        '"code"',
        "{}",
        '{"code": null}',
        '{"code": true}',
        '{"code": ""}',
        '{"code": 1.5}',
        '{"code": {"a": 1}}',
        '{"code": "the user\'s words"}',
        '{"code": "' + "x" * 65 + '"}',
        '{"code": ' + "9" * 5000 + "}",
        "[" * 50_000,
        '{"code": "x", "detail": "' + "x" * 65_536 + '"}',
        b"\xff",
        None,
    ],
    ids=range(18),
)
def test_a_body_without_a_fit_code_adds_nothing(body: object) -> None:
    exc = http_error(400, body)
    assert parts(failure_of(exc)) == ("400", {s.HTTP_STATUS_CODE: 400}, exc)


def test_an_exception_that_cannot_be_read_is_named_by_its_class() -> None:
    exc = UnreadableError()
    assert parts(failure_of(exc)) == (f"{__name__}.UnreadableError", {}, exc)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (500, "500"),
        (3000, "3000"),
        ("rate_limited", "rate_limited"),
        (None, "_OTHER"),
        (True, "_OTHER"),
        (1.5, "_OTHER"),
        ("", "_OTHER"),
        ("the user's words", "_OTHER"),
        ("x" * 65, "_OTHER"),
        ({"code": 1}, "_OTHER"),
    ],
)
def test_an_error_event_is_named_by_its_code_unless_that_could_be_prose(
    code: object, kind: str
) -> None:
    assert parts(failure_of_event(code)) == (kind, {}, None)


@pytest.mark.parametrize(
    ("kind", "cancels"),
    [
        (asyncio.CancelledError, True),
        (KeyboardInterrupt, True),
        (SystemExit, True),
        (type("Cancelled", (BaseException,), {}), True),
        (GeneratorExit, False),
        (Exception, False),
        (TimeoutError, False),
    ],
)
def test_only_what_is_no_exception_cancels_and_a_dropped_generator_does_not(
    kind: type[BaseException], *, cancels: bool
) -> None:
    assert is_cancellation(kind) is cancels


@pytest.mark.parametrize(
    ("name", "fit"),
    [("a", True), ("A-z_0.9", True), ("x" * 64, True)]
    + [(name, False) for name in ("", "x" * 65, "a b", "a\n", "é", "a/b", "{}")],
)
def test_a_word_has_at_most_64_plain_characters(name: str, *, fit: bool) -> None:
    assert is_word(name) is fit


def fail(secret: str) -> BaseException:
    try:
        try:
            raise KeyError(secret)
        except KeyError as exc:
            raise ValueError(secret) from exc
    except ValueError as exc:
        return exc


def frame(exc: BaseException) -> str:
    assert exc.__traceback__ is not None
    return f'  File "{__file__}", line {exc.__traceback__.tb_lineno}, in fail\n'


def test_with_capture_off_a_description_has_no_message_no_source_and_no_chain() -> None:
    exc = fail("the user's words")
    assert describe(exc, None) == {
        s.EXCEPTION_TYPE: "ValueError",
        s.EXCEPTION_STACKTRACE: frame(exc),
    }


def test_with_capture_on_message_and_trace_pass_the_redactor() -> None:
    seen: list[str] = []

    def redact(text: str) -> str:
        seen.append(text)
        return "redacted"

    described = describe(fail("the user's words"), redact)
    assert described == {
        s.EXCEPTION_TYPE: "ValueError",
        s.EXCEPTION_MESSAGE: "redacted",
        s.EXCEPTION_STACKTRACE: "redacted",
    }
    assert seen[0] == "the user's words"
    assert "KeyError" in seen[1]
    assert "raise ValueError(secret) from exc" in seen[1]


def test_what_the_redactor_drops_is_not_described() -> None:
    assert describe(fail("the user's words"), lambda _: None) == {s.EXCEPTION_TYPE: "ValueError"}


@pytest.mark.parametrize("redact", [None, str])
def test_an_exception_whose_text_cannot_be_had_is_still_described(redact: Any) -> None:
    described = describe(UnreadableError(), redact)
    assert described[s.EXCEPTION_TYPE] == f"{__name__}.UnreadableError"
    assert s.EXCEPTION_STACKTRACE in described


class Raw:
    def __init__(self, headers: object) -> None:
        self.headers = headers


WAITS: Final = {"retry-after": "7"}


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        (WAITS, {s.RETRY_AFTER: ["7"]}),
        ({"mistral-correlation-id": "c", "x-request-id": "r"}, {s.REQUEST_ID: "c"}),
        ({"x-request-id": "r" * 300}, {s.REQUEST_ID: "r" * 255 + "…"}),
        ({"x-request-id": 7, "retry-after": ""}, {}),
        ({}, {}),
        (None, {}),
        ("x-request-id", {}),
    ],
)
def test_the_headers_of_a_refusal_tell_its_id_and_when_to_ask_again(
    headers: Any, told: dict[str, Any]
) -> None:
    new = sdk_error("SDKError", "mistralai.client.errors", status_code=429, headers=headers)
    # mistralai 1.8 has them only in the response.
    old = sdk_error("SDKError", "mistralai.models", status_code=429, raw_response=Raw(headers))
    for exc in (new, old):
        assert parts(failure_of(exc)) == ("429", {s.HTTP_STATUS_CODE: 429, **told}, exc)
