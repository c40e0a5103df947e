# SPDX-License-Identifier: Apache-2.0
"""Lists what this package brings into a process, with its licence.

``python -m tools.licences`` writes the list into SECURITY.md; a test says when that is out of date.
"""

from __future__ import annotations

import re
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAME: Final = "opentelemetry-instrumentation-genai-mistralai"
PAGE: Final = Path(__file__).parents[1] / "SECURITY.md"
# Licences that put no condition on a program that imports the package.
PERMISSIVE: Final = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "PSF-2.0"})
# Metadata from before licence expressions says it in words of its own.
_EXPRESSIONS: Final = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
    "BSD": "BSD-3-Clause",
}
_TABLE: Final = re.compile(r"(?<=<!-- licences -->\n).*?(?=<!-- /licences -->)", re.DOTALL)


def runtime() -> dict[str, str]:
    """The licences of all that installing this package installs, by name; extras are left out.

    Raises:
        PackageNotFoundError: a dependency is not installed here.
    """
    found: dict[str, str] = {}
    waiting = _needed(distribution(NAME))
    while waiting:
        name = waiting.pop()
        if name not in found:
            there = distribution(name)
            found[name] = licence(there)
            waiting += _needed(there)
    return dict(sorted(found.items()))


def licence(there: Distribution) -> str:
    """The licence of a distribution as an SPDX expression; as it says it, if that is unknown."""
    told = there.metadata
    keys = ("License-Expression", "Classifier", "License")
    said: list[str] = [text for key in keys for text in told.get_all(key) or ()]
    known = [_EXPRESSIONS.get(text, text) for text in said]
    expressions = [text for text in known if is_permissive(text)]
    return (expressions or [text for text in known if "License" in text] or ["unknown"])[0]


def is_permissive(expression: str) -> bool:
    """Returns whether a program may use what is under this licence without conditions."""
    return any(
        all(each.strip(" ()") in PERMISSIVE for each in choice.split(" AND "))
        for choice in expression.split(" OR ")
    )


def with_table(page: str) -> str:
    """The page with the list as it is in this environment."""
    rows = [f"| {name} | {expression} |" for name, expression in runtime().items()]
    table = "\n".join(["| package | licence |", "|---|---|", *rows, ""])
    return _TABLE.sub(lambda _: table, page)


def listed(page: str) -> set[str]:
    """The names of the packages that a page lists."""
    table = _TABLE.search(page)
    rows = table[0].splitlines()[2:] if table else []
    return {row.split(" | ")[0].removeprefix("| ") for row in rows}


def _needed(there: Distribution) -> list[str]:
    requirements = [Requirement(line) for line in there.requires or ()]
    return [
        canonicalize_name(each.name)
        for each in requirements
        if each.marker is None or each.marker.evaluate({"extra": ""})
    ]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
