# SPDX-License-Identifier: Apache-2.0
"""Limits the names in metric attributes: each name is a time series more in the user's database.

A server, or a user's own program, may make up names without end, each as long as it likes. The
first 100 of a kind in a process are recorded as they are, the rest as ``_OTHER``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from .. import _log
from .. import _names as s

_MAX_NAMES: Final = 100
# `_WORD` fits a connector or a tool. `_VISIBLE` fits a model, which may be fine-tuned
# (``ft:open-mistral-7b:587a6b29:20240514:7e6b5b1c``), an exception's class, or a host.
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_VISIBLE: Final = re.compile(r"[!-~]{1,128}")
# The name of an agent or a workflow is free text that the application chose, and was cut before.
_ANY: Final = re.compile(r".+", re.DOTALL)


class KnownNames:
    """Holds the names of one kind that metrics of this process have.

    Attributes:
        known: these names; looking here first saves the call of `bounded`.
    """

    def __init__(self, kind: str, fit: re.Pattern[str]) -> None:
        self._kind = kind
        self._fit = fit
        self.known: set[object] = set()

    def bounded(self, name: str, beside: object = None) -> str:
        """Returns the name, or ``_OTHER`` if it is unfit for a metric or comes after 100 others.

        Args:
            name: the name, cut as `name_of` does, so that the pattern's time is bounded.
            beside: a second value, such as a port: each pair counts as a name of its own.
        """
        key = name if beside is None else (name, beside)
        if key in self.known:
            return name
        if self._fit.fullmatch(name) is None:
            return s.OTHER
        if len(self.known) >= _MAX_NAMES:
            _log.say_once(
                "metrics have seen %s different values of %s; later ones are recorded as %s",
                _MAX_NAMES,
                self._kind,
                s.OTHER,
            )
            return s.OTHER
        self.known.add(key)
        return name

    def forget(self) -> None:
        """Forgets all names."""
        self.known.clear()


REQUEST_MODELS: Final = KnownNames(s.REQUEST_MODEL, _VISIBLE)
RESPONSE_MODELS: Final = KnownNames(s.RESPONSE_MODEL, _VISIBLE)
ADDRESSES: Final = KnownNames(s.SERVER_ADDRESS, _VISIBLE)
ERRORS: Final = KnownNames(s.ERROR_TYPE, _VISIBLE)
CONNECTORS: Final = KnownNames(s.CONNECTOR_NAME, _WORD)
TOOLS: Final = KnownNames(s.TOOL_NAME, _WORD)
AGENTS: Final = KnownNames(s.AGENT_NAME, _ANY)
WORKFLOWS: Final = KnownNames(s.WORKFLOW_NAME, _ANY)
ALL: Final = (
    REQUEST_MODELS, RESPONSE_MODELS, ADDRESSES, ERRORS, CONNECTORS, TOOLS, AGENTS, WORKFLOWS,
)  # fmt: skip


def by_metric_name(connectors: Mapping[str, int]) -> dict[str, int]:
    """Returns the calls of each connector by the name that a metric may have, or ``_OTHER``."""
    calls: dict[str, int] = {}
    for name, n in connectors.items():
        key = CONNECTORS.bounded(name)
        calls[key] = calls.get(key, 0) + n
    return calls
