"""A sealed text that was changed does not fit its seal."""

from __future__ import annotations

import json

import pytest

from ucvgl.files.seal import lines_fit, markdown_fits, sealed, sealed_lines, sealed_markdown, unsealed

CONTENT = {"tiles": 6, "calibration": {"slope": 20.0}, "names": ["a", None]}


def test_a_sealed_content_comes_back_through_json():
    assert unsealed(json.loads(json.dumps(sealed(CONTENT)))) == (CONTENT, True)


@pytest.mark.parametrize("change", [{"tiles": 7}, {"calibration": {"slope": 20.1}}, {"names": ["a"]}, {"more": 0}])
def test_a_change_of_any_field_breaks_the_seal(change):
    assert not unsealed({**sealed(CONTENT), **change})[1]


def test_a_lost_field_breaks_the_seal():
    assert not unsealed({name: value for name, value in sealed(CONTENT).items() if name != "tiles"})[1]


def test_content_of_an_older_version_has_no_seal_to_break():
    assert unsealed(CONTENT) == (CONTENT, True)


def test_every_changed_byte_of_sealed_lines_is_noticed():
    text = sealed_lines("seed: 0\nmodel:\n  channels: 16\n")
    assert lines_fit(text)
    for at in range(len("# seal: "), len(text)):
        assert not lines_fit(text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :])
    for end in range(len("# seal: "), len(text)):
        assert not lines_fit(text[:end])


def test_lines_without_a_seal_fit_unless_there_are_none():
    assert lines_fit("seed: 0\n") and not lines_fit("") and not lines_fit(" \n")


def test_every_edit_of_a_sealed_markdown_text_is_noticed():
    text = sealed_markdown("# Model card\n\nR@1 is 53.1.\n")
    assert markdown_fits(text)
    for at in range(len(text)):
        assert not markdown_fits(text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :])
    for edited in ("", "mine", text + "mine", "mine" + text, text + text):
        assert not markdown_fits(edited)
