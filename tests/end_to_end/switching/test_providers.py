# SPDX-License-Identifier: Apache-2.0
"""Global providers: who is there before the first call, who comes later, who is only named."""

from __future__ import annotations

import pytest

from emulator import Emulator
from tests.support.programs import dedented, run


def test_a_provider_that_is_set_after_a_call_gets_the_next(emulator: Emulator) -> None:
    source = "instrument(); list(start()); exporting('global'); list(start())"
    ran = run(source, emulator.url)
    assert (ran.stderr, ran.code) == ("", 0)
    assert [(span["outcome"], span["to"]) for span in ran.spans()] == [("completed", "global")]


@pytest.mark.parametrize("named", [True, False])
def test_a_provider_that_the_environment_names_is_there_at_the_first_call(
    emulator: Emulator, *, named: bool
) -> None:
    # The meter's: newer SDKs ask for the tracer's themselves.
    environment = {"OTEL_PYTHON_METER_PROVIDER": "sdk_meter_provider"} if named else {}
    source = """
        from opentelemetry.metrics import _internal
        instrument()
        list(start())
        emit(_internal._METER_PROVIDER is not None)
    """
    ran = run(dedented(source), emulator.url, **environment)
    assert (ran.stderr, ran.code, ran.said()[0]) == ("", 0, named)
