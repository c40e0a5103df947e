# SPDX-License-Identifier: Apache-2.0
"""Names errors (exceptions and error events), and tells a cancellation from an error.

``error.type`` follows https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from .. import _log
from .. import _names as s
from .fields import AttributeValue, name_of

_SDK_PACKAGES: Final = frozenset({"mistralai", "mistralai_azure", "mistralai_gcp"})
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# What the SDK raises when a workflow that it waits for has ended otherwise; it has no class for it.
_ENDED: Final = re.compile(r"Workflow failed with status: ([A-Z_]{1,64})")
# A body is parsed only for its code: parsing many megabytes would cost the caller too much time.
_MAX_BODY: Final = 65_536


class Failure:
    """Holds why a span is an ERROR: its ``error.type``, and further facts of the error.

    Attributes:
        type: ``error.type``.
        attributes: other attributes of the span.
        exception: the exception as raised, None for an error event.
        message: the message of an error event; it may repeat what the user wrote.
    """

    __slots__ = ("attributes", "exception", "message", "type")

    def __init__(
        self,
        error_type: str,
        attributes: Mapping[str, AttributeValue] | None = None,
        exception: BaseException | None = None,
    ) -> None:
        self.type = error_type
        self.attributes = attributes or {}
        self.exception = exception
        self.message: str | None = None


def is_word(value: str) -> bool:
    """Returns whether a name may be a key or a metric attribute: ``[A-Za-z0-9_.-]{1,64}``."""
    return _WORD.fullmatch(value) is not None


def is_cancellation(kind: type[BaseException]) -> bool:
    """Returns whether this ends a call by the caller's will and not by failure.

    asyncio's and trio's cancellation, KeyboardInterrupt and SystemExit are no ``Exception``.
    """
    return not issubclass(kind, (Exception, GeneratorExit))


def failure_of(exc: BaseException) -> Failure:
    """Names an exception that came out of the SDK or the transport.

    Args:
        exc: the exception as raised. The result refers to it, so the result must not be kept.

    Returns:
        The HTTP status as ``error.type`` where there is one of 400 or more, else
        ``mistralai.ClassName`` for the SDK's own classes, else ``module.QualName``.
    """
    attributes: dict[str, AttributeValue] = {}
    # The SDK gives no HTTP response to the exceptions of its websockets, but their cause has it.
    session = _is_of_session(type(exc))
    response = _read(_read(exc, "__cause__"), "response") if session else exc
    status = _status_of(response)
    code = _code(_read(exc, "code")) if session else None
    if status is not None:
        attributes[s.HTTP_STATUS_CODE] = status
        code = _code_in(_read(response, "body")) or code
        attributes.update(_headers_of(response))
    elif type(exc) is RuntimeError and (ended := _ENDED.fullmatch(str(exc))):
        attributes[s.WORKFLOW_STATUS] = ended[1]
    if code:
        attributes[s.ERROR_CODE] = code
    kind = str(status) if status is not None else name_of(_class_name(type(exc))) or s.OTHER
    return Failure(kind, attributes, exc)


def _headers_of(response: object) -> dict[str, AttributeValue]:
    """Tells from the headers of a refusal which request it was, and how long to wait."""
    headers = _read(response, "headers") or _read(_read(response, "raw_response"), "headers")
    found: dict[str, AttributeValue] = {}
    if (sent := _request_id(headers)) is not None:
        found[s.REQUEST_ID] = sent
    if (wait := _header(headers, "retry-after")) is not None:
        # The conventions' attributes of headers are lists: a header may come twice.
        found[s.RETRY_AFTER] = [wait]
    return found


def _request_id(headers: object) -> str | None:
    """Returns the id that the API gave a request, from the headers of its response."""
    return _header(headers, s.CORRELATION_ID) or _header(headers, s.REQUEST_ID_HEADER)


def failure_of_event(code: object, message: object = None) -> Failure:
    """Names an error event by its code; anything that could be prose becomes ``_OTHER``."""
    failure = Failure(_code(code) or s.OTHER)
    failure.message = message if isinstance(message, str) else None
    return failure


def _status_of(exc: object) -> int | None:
    status = _read(exc, "status_code")
    if isinstance(status, int):
        return int(status) if 400 <= status < 1000 else None
    # In mistralai 1.8 a 422 becomes this class, which carries no status.
    if type(exc).__name__ == "HTTPValidationError" and _is_sdk_class(type(exc)):
        return 422
    return None


def _header(headers: Any, name: str) -> str | None:
    try:
        return None if headers is None else name_of(headers.get(name))
    except Exception as failure:  # noqa: BLE001 -- the user's transport may put in anything
        _log.let_signals_pass(failure)
        return None


def _read(exc: object, name: str) -> object:
    try:
        return getattr(exc, name, None)
    except Exception as failure:  # noqa: BLE001 -- a property of the caller's class may raise anything
        _log.let_signals_pass(failure)
        return None


def _class_name(kind: type[BaseException]) -> str:
    if _is_sdk_class(kind):
        return f"mistralai.{kind.__name__}"
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _is_sdk_class(kind: type) -> bool:
    return str(kind.__module__).partition(".")[0] in _SDK_PACKAGES


def _is_of_session(kind: type) -> bool:
    return kind.__name__.startswith("Realtime") and _is_sdk_class(kind)


def _code_in(body: object) -> str | None:
    if isinstance(body, (bytes, bytearray)):
        body = body[: _MAX_BODY + 1].decode("utf-8", "replace")
    if not isinstance(body, str) or len(body) > _MAX_BODY:
        return None
    import json

    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return _code(cast("dict[str, Any]", content).get("code")) if isinstance(content, dict) else None


def _code(value: object) -> str | None:
    if type(value) is int and abs(value) < 10**9:
        value = str(value)
    return value if isinstance(value, str) and is_word(value) else None
