# SPDX-License-Identifier: Apache-2.0
"""Checks whether the SDK's version is supported, even without its metadata.

PyInstaller, pex and slimmed layers ship packages without the metadata that pip writes. Then the
version is read from the SDK's ``_version`` module, which the SDK imports first.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from ..package import _instruments  # pyright: ignore[reportPrivateUsage] -- OpenTelemetry's name

if TYPE_CHECKING:
    from opentelemetry.instrumentation.dependencies import DependencyConflict

# The SDK's main package is ``mistralai.client`` from 2.0 on, and was ``mistralai`` in 1.x. The
# clients for Azure and Google Cloud have versions of their own.
_MAIN: Final = ("mistralai.client", "mistralai")
_PACKAGES: Final = ("mistralai", "mistralai_azure", "mistralai_gcp")


def conflict(root: str) -> DependencyConflict | None:
    """Returns the conflict of the SDK's version with the supported ones, None without one.

    It imports nothing of the SDK, only OpenTelemetry's own check, which reads metadata from files.

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
        # A client for another cloud may be installed without the SDK's main package.
        return None if root not in _MAIN and _version_of(root) else found
    from packaging.requirements import Requirement

    required = Requirement(_instruments[0])
    if required.specifier.contains(own, prereleases=True):
        return None
    return DependencyConflict(_instruments[0], f"{required.name} {own}")


def only_metadata_is_missing(found: DependencyConflict | None) -> bool:
    """Returns whether only the metadata is missing, and the SDK's packages are there.

    Args:
        found: the result of OpenTelemetry's check.
    """
    if found is None or found.found is not None:
        return False
    from importlib.util import find_spec

    return any(find_spec(package) is not None for package in _PACKAGES)


def _version_of(package: str) -> str | None:
    version: object = getattr(sys.modules.get(f"{package}._version"), "__version__", None)
    return version if isinstance(version, str) else None
