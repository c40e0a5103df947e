# SPDX-License-Identifier: Apache-2.0
"""Every field of the newest SDK's answers is recorded, or a table says why it is not.

The scheduled CI job ``newest-sdk`` runs this file, too: it names the field that a release brings.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import BaseModel

from opentelemetry.instrumentation.genai import mistralai
from tests.support import names, sdk, sdk_fields
from tests.support.sdk_fields import CONTENT, INSIDE, LEFT, TABLE, WHY, fields_of_answers

pytestmark = pytest.mark.skipif(sdk.VERSION < (3, 7), reason="the table is of the newest SDK")
SOURCE: Final = "".join(
    path.read_text() for path in sorted(Path(mistralai.__file__).parent.rglob("*.py"))
)
ATTRIBUTES: Final = {name for name, value in vars(names).items() if isinstance(value, str)}


def unnamed(table: Mapping[str, str]) -> set[str]:
    """The fields that the SDK has and the table has not."""
    return fields_of_answers(dict(table)) - table.keys()


def test_each_field_is_in_the_table() -> None:
    assert unnamed(TABLE) == set()


def test_each_row_of_the_table_is_a_field() -> None:
    assert TABLE.keys() - fields_of_answers(TABLE) == set()


def test_each_word_of_the_table_is_an_attribute_or_has_a_reason() -> None:
    known = {INSIDE, CONTENT, *WHY}
    unknown = {field: word for field, word in TABLE.items() if word not in known | ATTRIBUTES}
    assert unknown == {}
    assert set(WHY) <= set(TABLE.values()), "a reason that nothing has"


def test_what_is_said_to_be_read_is_spelled_in_the_source() -> None:
    read = {field for field, word in TABLE.items() if word not in LEFT}
    names_read = {field.partition(".")[2] for field in read}
    assert {
        name for name in names_read if f'"{name}"' not in SOURCE and f".{name}" not in SOURCE
    } == set()


def test_a_field_that_a_release_brings_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Newer(sdk_fields.model("ConversationUsageInfo")):  # type: ignore[misc]
        joules: int = 0

    class Part(BaseModel):
        watts: int = 0

    class Other(sdk_fields.model("TextChunk")):  # type: ignore[misc]
        part: Part | None = None

    models: dict[str, Any] = {"ConversationUsageInfo": Newer, "TextChunk": Other}
    for name, cls in models.items():
        cls.__name__ = name
    monkeypatch.setattr(sdk_fields, "model", models.__getitem__)
    found = fields_of_answers(TABLE, roots=("ConversationUsageInfo", "TextChunk"))
    assert found - TABLE.keys() == {
        "ConversationUsageInfo.joules", "TextChunk.part", "Part.watts",
    }  # fmt: skip


def test_a_row_that_is_lost_is_named() -> None:
    table = {field: word for field, word in TABLE.items() if field != "UsageInfo.service_tier"}
    assert unnamed(table) == {"UsageInfo.service_tier"}
