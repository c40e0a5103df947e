# SPDX-License-Identifier: Apache-2.0
"""Lists what comes with the wheel, as an SBOM, and asks whether any of it is known to be unsafe."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from tools.licences import PAGE, listed
from tools.release.installing import empty, pythons
from tools.release.running import CONSTRAINTS, NAME, ROOT, TOOLS, UV, ReleaseError, git, said
from tools.release.tree import version

SBOM: Final = f"{NAME}.cdx.json"
# What pip-audit says where it cannot ask: it was not run, which is not the same as nothing found.
_NOT_REACHED: Final = ("ConnectionError", "Max retries", "could not be audited")


def environment(scratch: Path, wheel: Path) -> Path:
    """Makes an environment with the wheel and what it needs, as locked; returns its Python."""
    *_, newest = pythons().values()
    constrained = ("--constraint", str(CONSTRAINTS))
    return empty(scratch / "inventory", newest, str(wheel), *constrained)


def write_sbom(python: Path, target: Path) -> str:
    """Writes a CycloneDX SBOM of an environment with the wheel.

    Args:
        python: of the environment.
        target: the file to write.

    Raises:
        ReleaseError: it is not valid, or names other packages than SECURITY.md.
    """
    # The tool does not look where hatchling has the version from.
    text = (ROOT / "pyproject.toml").read_text()
    project = target.with_name("pyproject.toml")
    static = f'version = "{version()}"\ndynamic = ["readme"]'
    project.write_text(re.sub(r"^dynamic = .*$", static, text, count=1, flags=re.MULTILINE))
    said(TOOLS / "cyclonedx-py", "environment", "--pyproject", project,
         "--mc-type", "library", "--output-reproducible", "--validate",
         "--output-format", "JSON", "--output-file", target, python,
         environment={"SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct")})  # fmt: skip
    bom = json.loads(target.read_text())
    root = bom["metadata"]["component"]
    if (root["name"], root.get("version")) != (NAME, version()):
        raise ReleaseError(f"the SBOM is of {root['name']} {root.get('version')}")
    components = {canonicalize_name(each["name"]) for each in bom["components"]} - {NAME}
    if components != listed(PAGE.read_text()):
        raise ReleaseError(f"SECURITY.md lists other packages than {sorted(components)}")
    return f"CycloneDX {bom['specVersion']}, {len(components)} packages: {target.name}"


def audit(python: Path) -> str:
    """Asks the vulnerability service of the package index about an environment.

    Raises:
        ReleaseError: something in it is known to be unsafe, or the workflow cannot ask.
    """
    installed = said(UV, "pip", "freeze", "--python", python).splitlines()
    # This version of ours is not on the index yet.
    pinned = [line for line in installed if not line.startswith(NAME)]
    listed_here = python.parent / "pinned.txt"
    listed_here.write_text("\n".join(pinned))
    try:
        # Strict: without it, packages that the service does not answer for count as safe.
        said(TOOLS / "pip-audit", "--strict", "--progress-spinner", "off", "--no-deps",
             "--disable-pip", "--requirement", listed_here)  # fmt: skip
    except ReleaseError as refused:
        # The workflow that uploads has the network: there, not run is not good enough.
        unreached = any(sign in str(refused) for sign in _NOT_REACHED)
        if unreached and not os.environ.get("GITHUB_ACTIONS"):
            return "NOT RUN: the vulnerability service does not answer here"
        raise
    return f"no known vulnerability in {len(pinned)} packages"
