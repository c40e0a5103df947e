# SPDX-License-Identifier: Apache-2.0
"""Reports each import of a module of the SDK, repeated ones and ``importlib.reload`` included.

wrapt's import hooks fire only once: with them, a module that is reloaded, or purged from
``sys.modules`` and imported again, would have no spans from then on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from .. import _log

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec


class ImportWatch:
    """Wraps the loaders that other finders find, so that they report when they are done."""

    def __init__(self, names: Collection[str], imported: Callable[[ModuleType], None]) -> None:
        """Takes the names to watch; ``imported`` gets each module after its code has run."""
        self._names: Final = frozenset(names)
        self._imported = imported

    def begin(self) -> None:
        """Starts to watch."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def end(self) -> None:
        """Stops watching."""
        try:
            sys.meta_path.remove(self)
        except ValueError:
            pass

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns the next finder's spec, with a loader that reports."""
        if name not in self._names:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is None:
                continue
            # Another library's finder may have asked all finders, this one included: wrapping the
            # loader twice would report twice.
            loader: Any = spec.loader
            if hasattr(loader, "exec_module") and not isinstance(loader, _Loader):
                spec.loader = _Loader(loader, self._imported)  # type: ignore[assignment]
            return spec
        return None


class _Loader:
    """Replaces a module's loader until it has run the module's code."""

    def __init__(self, loader: Any, imported: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._imported = imported

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Creates the module with its own loader."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module's code, which sees its own loader, and reports the import."""
        spec = getattr(module, "__spec__", None)
        if getattr(spec, "loader", None) is self:
            spec.loader = self._loader  # type: ignore[union-attr]
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = self._loader
        self._loader.exec_module(module)
        try:
            self._imported(module)
        except Exception as exc:  # noqa: BLE001 -- raising would break the user's import
            _log.report("follow an import", exc)
