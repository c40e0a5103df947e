# SPDX-License-Identifier: Apache-2.0
"""What `docs/migration.md` asks in the place of older queries is answered as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.prometheus.scraped import Scraped

PAGE = Path(__file__).parents[2] / "docs" / "migration.md"
# A query that is not run has a comment before it.
RUN = re.findall(r"^(?<!-->\n)```promql\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_each_query_has_an_answer_in_the_default_mode(both: dict[str, Scraped]) -> None:
    scraped = both["default"]
    duration, failed, tokens = (scraped.prometheus.query(each, scraped.after) for each in RUN)
    models = {dict(labels).get("gen_ai_response_model") for labels in duration}
    assert "mistral-medium-latest" in models
    assert all(seconds > 0 for seconds in duration.values())
    # One call of eleven is refused.
    assert [round(share * 11, 6) for share in failed.values()] == [1]
    assert sum(tokens.values()) > 0
