# SPDX-License-Identifier: Apache-2.0
"""Reports what is installed, patched, set and reachable, and how to mend what is wrong.

It needs only the package's own dependencies, calls no model, and sends an empty request to the
configured OTLP endpoints.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING

from .._environment import COMPLETION_HOOK
from . import exporting, sdk, variables
from .report import Report

if TYPE_CHECKING:
    from typing import TextIO


def examine(out: TextIO | None = None) -> int:
    """Examines this environment, and writes the findings.

    It changes this process: it unsets the completion hook's variable, imports the SDK, and leaves
    instrumentation switched off.

    Args:
        out: the stream to write to; None: the standard output.

    Returns:
        The exit status: 1 if something is wrong.
    """
    report = Report(out or sys.stdout)
    environment = dict(os.environ)
    with warnings.catch_warnings():
        # Importing packages may issue their own warnings, which would spoil the report.
        warnings.simplefilter("ignore")
        sdk.check_versions(report)
        variables.check(report, environment)
        # The hook was loaded above; loading it again may write to its upload path again.
        os.environ.pop(COMPLETION_HOOK, None)
        sdk.check_patches(report)
        exporting.check(report, environment)
    return report.conclude()
