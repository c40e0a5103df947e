# SPDX-License-Identifier: Apache-2.0
"""Options of the interpreter: without docstrings, with each warning an error, in isolation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.strict import STRICT
from tests.surroundings.running import PROGRAM, assert_works, both

if TYPE_CHECKING:
    from emulator import Emulator

OPTIONS = {
    "-OO": ["-OO"],
    "-W error": [*STRICT],
    "-I": ["-I"],
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options_of_the_interpreter(emulator: Emulator, options: list[str]) -> None:
    bare, ours = both([sys.executable, *options, str(PROGRAM)], emulator.url, "asyncio")
    assert_works(bare, ours)
    assert ours.complaints == ""
