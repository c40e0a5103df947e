# SPDX-License-Identifier: Apache-2.0
"""Tells when a module of the SDK was imported: each time, also anew or by ``importlib.reload``.

wrapt's import hooks fire once and are gone, so that a module that is reloaded, or purged from
``sys.modules`` and imported again, would have no spans ever after.
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
    """A finder that finds nothing itself, but has the others' loaders tell when they are done."""

    def __init__(self, names: Collection[str], imported: Callable[[ModuleType], None]) -> None:
        """Calls ``imported`` with each module of these names after its code has run."""
        self._names: Final = frozenset(names)
        self._imported = imported

    def begin(self) -> None:
        """Watches from now on."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def end(self) -> None:
        """Watches no more."""
        try:
            sys.meta_path.remove(self)
        except ValueError:
            pass

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the next finder finds, with a loader that tells."""
        if name not in self._names:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is None:
                continue
            # Another library's finder may have asked all finders, and so this one.
            loader: Any = spec.loader
            if hasattr(loader, "exec_module") and not isinstance(loader, _Loader):
                spec.loader = _Loader(loader, self._imported)  # type: ignore[assignment]
            return spec
        return None


class _Loader:
    """In the place of a module's loader until it has run the module's code."""

    def __init__(self, loader: Any, imported: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._imported = imported

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the module's own loader does."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module's code, which sees its own loader, and tells."""
        spec = getattr(module, "__spec__", None)
        if getattr(spec, "loader", None) is self:
            spec.loader = self._loader  # type: ignore[union-attr]
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = self._loader
        self._loader.exec_module(module)
        try:
            self._imported(module)
        except Exception as exc:  # noqa: BLE001 -- it would break the user's import
            _log.report("follow an import", exc)
