# SPDX-License-Identifier: Apache-2.0
"""The other instrumentation of mistralai in this environment, whichever it is."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final


@dataclass(frozen=True)
class Other:
    """A package that instruments mistralai, and what is particular about it.

    Attributes:
        distribution: its name on PyPI.
        module: where its instrumentor is, and the name of its spans' scope.
        instrumentor: the class.
        methods: those of ``client`` that it wraps, without their async twins.
        is_current: whether its span is current while the SDK's method runs.
        restores: whether it uninstruments by putting back what it found when it came.
    """

    distribution: str
    module: str
    instrumentor: str
    methods: tuple[str, ...]
    is_current: bool
    restores: bool

    @property
    def folder(self) -> str:
        """Where its files are."""
        return os.path.dirname(str(importlib.import_module(self.module).__file__))

    def instrument(self, tracer_provider: Any) -> None:
        """Switches it on."""
        self._instrumentor().instrument(tracer_provider=tracer_provider)

    def uninstrument(self) -> None:
        """Switches it off."""
        self._instrumentor().uninstrument()

    def _instrumentor(self) -> Any:
        return getattr(importlib.import_module(self.module), self.instrumentor)()


KNOWN: Final = (
    Other(
        "opentelemetry-instrumentation-mistralai",
        "opentelemetry.instrumentation.mistralai",
        "MistralAiInstrumentor",
        ("chat.complete", "chat.stream", "embeddings.create"),
        is_current=False,
        restores=False,
    ),
    Other(
        "openinference-instrumentation-mistralai",
        "openinference.instrumentation.mistralai",
        "MistralAIInstrumentor",
        ("chat.complete", "chat.stream", "agents.complete", "agents.stream"),
        is_current=True,
        restores=True,
    ),
)


def _installed() -> Other:
    for other in KNOWN:
        try:
            version(other.distribution)
        except PackageNotFoundError:
            continue
        return other
    names = ", ".join(other.distribution for other in KNOWN)
    raise ImportError(f"these tests need one of {names}: run `make test-beside`")


OTHER: Final = _installed()
