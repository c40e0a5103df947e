# SPDX-License-Identifier: Apache-2.0
"""Defines the instrumentor that ``opentelemetry-instrument`` loads through the entry point."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

# mypy does not find this class, pyright does.
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from ._options import checked
from ._sdk.versions import only_metadata_is_missing
from ._switch import is_on, switch_off, switch_on
from .package import _instruments  # pyright: ignore[reportPrivateUsage] -- OpenTelemetry's name


class MistralAIInstrumentor(BaseInstrumentor):  # type: ignore[misc] # see the import
    """Switches instrumentation on and off, as the functions `instrument` and `uninstrument` do."""

    # True if the base class found no metadata: the version must be checked at the SDK's import.
    _check_versions = False

    def instrumentation_dependencies(self) -> Collection[str]:
        """Returns the versions of ``mistralai`` that are supported."""
        return _instruments

    def instrument(self, **kwargs: Any) -> None:
        """Switches instrumentation on, or, if it is on, changes the given arguments only.

        Args:
            **kwargs: those of the function `instrument`, where `UNCHANGED` and None mean the same
                as there, and the base class's ``skip_dep_check``. Others are ignored with a log
                line: a distro may pass its own to every instrumentor.

        Raises:
            TypeError: an argument has the wrong type, or a hook could not be called.
            ValueError: an argument has none of the values that it may have.
        """
        changes = checked(kwargs)
        if is_on():
            switch_on(changes, check_versions=False)
        else:
            super().instrument(**kwargs)

    def _check_dependency_conflicts(self) -> Any:
        found = super()._check_dependency_conflicts()
        # Missing metadata is no conflict yet: the SDK's version is read when it is imported.
        self._check_versions = only_metadata_is_missing(found)
        return None if self._check_versions else found

    def _instrument(self, **kwargs: Any) -> None:
        switch_on(checked(kwargs), check_versions=self._check_versions)

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002 -- the base class's signature
        switch_off()

    # The base class keeps a flag of its own, which `instrument` and `uninstrument` do not set:
    # without this property the two would disagree.
    @property
    def _is_instrumented_by_opentelemetry(self) -> bool:
        return is_on()

    @_is_instrumented_by_opentelemetry.setter
    def _is_instrumented_by_opentelemetry(self, value: bool) -> None:
        del value
