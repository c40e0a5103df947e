# SPDX-License-Identifier: Apache-2.0
"""Describes what `calls` needs of a row of the table, and of the call that the row begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from .._otel.open_span import OpenSpan

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from .._otel.telemetry import Telemetry

# These are the arguments of a call: those without a name, and those with one.
Args = tuple[Any, ...]
Arguments = Mapping[str, Any]


class Opened(OpenSpan, Protocol):
    """Describes a call whose span is open and current."""

    @property
    def recorder(self) -> object:
        """Returns the recorder of the call's result; None before there is a result."""

    def detach(self) -> None:
        """Makes the caller's context current again."""

    def fail(self, exc: BaseException) -> None:
        """Ends the span of a call that raised."""


class Row(Protocol):
    """Describes a row of `table`: a method of the SDK or a loop."""

    def begin(
        self, telemetry: Telemetry, owner: object, args: Args, kwargs: Arguments, context: Context
    ) -> Opened | None:
        """Starts the span of a call and makes it current; None if this call gets none."""
        ...

    def returned(self, call: Any, result: Any, /) -> Any:
        """Hands the result of a call on; returns the caller's result."""
