# SPDX-License-Identifier: Apache-2.0
"""Whether the SDK is of a version that is supported, also where its metadata was left out.

PyInstaller, pex and slimmed layers ship packages without the metadata that pip writes. Then the SDK
itself says what it is, in a module that it has imported first of all.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from ..package import _instruments  # pyright: ignore[reportPrivateUsage] -- OpenTelemetry's name

if TYPE_CHECKING:
    from opentelemetry.instrumentation.dependencies import DependencyConflict

# The SDK proper, in 1.x and later. Its other clients have versions of their own.
_MAIN: Final = ("mistralai.client", "mistralai")
_PACKAGES: Final = ("mistralai", "mistralai_azure", "mistralai_gcp")


def conflict(root: str) -> DependencyConflict | None:
    """What is wrong with the version of the SDK, None if nothing is.

    Imports nothing of the SDK, but OpenTelemetry's own check, which reads the metadata from files.

    Args:
        root: the package of a client that has just been imported.
    """
    from opentelemetry.instrumentation.dependencies import (
        DependencyConflict,
        get_dependency_conflicts,
    )

    found = get_dependency_conflicts(_instruments)
    if found is None or found.found is not None:
        return found
    own = next(filter(None, map(_version_of, _MAIN)), None)
    if own is None:
        # A client that came with the SDK may be all of it that is there.
        return None if root not in _MAIN and _version_of(root) else found
    from packaging.requirements import Requirement

    required = Requirement(_instruments[0])
    if required.specifier.contains(own, prereleases=True):
        return None
    return DependencyConflict(_instruments[0], f"{required.name} {own}")


def is_known_later(found: DependencyConflict | None) -> bool:
    """Whether it is the missing metadata alone that conflicts: the SDK itself is there.

    Args:
        found: what OpenTelemetry's check says.
    """
    if found is None or found.found is not None:
        return False
    from importlib.util import find_spec

    return any(find_spec(package) is not None for package in _PACKAGES)


def _version_of(package: str) -> str | None:
    version: object = getattr(sys.modules.get(f"{package}._version"), "__version__", None)
    return version if isinstance(version, str) else None
