"""Names and values of other people are shown as they are, and mean nothing to Markdown and matplotlib."""

from __future__ import annotations

from ucvgl.pages.model_card import Card, markdown

EVIL = "x|<script>alert(1)</script>`[a](javascript:b)\n# y"


def test_a_model_card_shows_names_and_values_as_they_are() -> None:
    text = markdown(Card(EVIL, "Data", {"tiles": 1}, {"backbone": EVIL}, None, settings={"a.b": (EVIL, 1)}))
    assert "<script" not in text and "\n# y" not in text and "](javascript" in text and "\\[a](" in text
    rows = [line for line in text.splitlines() if line.startswith("| ") and "script" in line]
    assert len(rows) == 2 and all(r"x\|&lt;script>" in row for row in rows)
