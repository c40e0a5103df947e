# SPDX-License-Identifier: Apache-2.0
"""Describes what has an open span, for those who end it."""

from __future__ import annotations

from typing import Protocol

from opentelemetry.context import Context


class Abandoned(Protocol):
    """Describes an object that can end the span of a dropped call."""

    def dropped(self) -> None:
        """Ends the span, unless it has ended."""


class OpenSpan(Abandoned, Protocol):
    """Describes a call, a loop or a local tool whose span is open.

    Attributes:
        context: the caller's context at the start, with the span in it.
        watch: the weak reference that reports a dropped stream; see the module `dropped`.
    """

    watch: object

    @property
    def context(self) -> Context:
        """Returns the caller's context at the start, with the span in it."""
        ...

    def give_up(self) -> None:
        """Ends the span without asking its recorder: that has failed."""
