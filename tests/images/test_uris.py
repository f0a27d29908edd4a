"""What is secret in a URI is hidden wherever it stands, and what a key holds is data."""

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.images.storage import StorageError, locate
from ucvgl.images.uris import climbs, holds_secrets, join, key_of, no_place, scrubbed, split_options, without_secrets

SECRET = [
    ("s3://AKIA:s3cr3t@bucket/a?region=eu", "s3://***@bucket/a?region=eu"),
    ("s3://key:se/cr3t@bucket/a", "s3://***@bucket/a"),
    ("s3://key:s3cr3t?/@bucket/a", "s3://***@bucket/a"),
    ("s3://key%3As3cr3t@bucket/a", "s3://***@bucket/a"),
    ("s3://b/a?endpoint_override=http://u:s3cr3t@h:9000&region=eu", "s3://b/a?endpoint_override=***&region=eu"),
    ("s3://b/a?endpoint_override=u:s3cr3t@h", "s3://b/a?endpoint_override=***"),
    ("s3://b/a?endpoint_override=http%3A%2F%2Fu%3As3cr3t%40h", "s3://b/a?endpoint_override=***"),
    ("s3://b/a?access=s3cr3t&pw=s3cr3t", "s3://b/a?access=***&pw=***"),
    ("s3://b/a?secret_key=s3cr3t&region=eu", "s3://b/a?secret_key=***&region=eu"),
    ("gs://b/a?X-Goog-Signature=s3cr3t", "gs://b/a?X-Goog-Signature=***"),
    ("https://u:s3cr3t@h/a", "https://***@h/a"),
    ("hdfs://u:s3cr3t@h:8020/a", "hdfs://***@h:8020/a"),
    ("gs://b/x#token=s3cr3t", "gs://b/x#token=***"),
    ("abfs://c@account/x#sv=1&sig=s3cr3t", "abfs://c@account/x#sv=1&sig=***"),
    ("s3://b/x%23token=s3cr3t", "s3://b/x%23token=***"),
    ("https://h/x;token=s3cr3t", "https://h/x;token=***"),
    ("s3://b/x&secret_key=s3cr3t", "s3://b/x&secret_key=***"),
    ("s3://b/x?region=eu;secret_key=s3cr3t", "s3://b/x?region=***"),
    ("s3://b/x?region=eu#s3cr3t", "s3://b/x?region=***"),
    ("s3://b/x?secret_key=a&bs3cr3t", "s3://b/x?secret_key=***&***"),
    ("s3://b/x?endpoint_override=http%253A%252F%252Fu%253As3cr3t%2540h", "s3://b/x?endpoint_override=***"),
    ("s3://b/x?user=u:s3cr3t", "s3://b/x?user=***"),
    ("s3://s3cr3t@b/x", "s3://***@b/x"),
    ("https://s3cr3t@github.com/x", "https://***@github.com/x"),
    ("s3:/k:s3cr3t@b/x", "s3:/***@b/x"),
    ("s3:\\\\k:s3cr3t@b/x", "s3:\\\\***@b/x"),
    ("gs:b/x?token=s3cr3t", "gs:b/x?token=***"),
]
OPEN = [
    "s3://bucket/a b/c#d%20e.jpg", "s3://bucket/who?.jpg", "abfs://container@account/a", "s3://b/c#1=2.jpg", "hdfs://host:8020/a@b.jpg",
    "s3://b/a?endpoint_override=host:9000&scheme=http", "/plain/pa:th@x?key=1", "gs://b/a@b.jpg",
]  # fmt: skip


@pytest.mark.parametrize(("uri", "shown"), SECRET)
def test_what_is_secret_in_a_uri_is_hidden(uri: str, shown: str) -> None:
    assert without_secrets(uri) == shown and holds_secrets(uri)
    assert "s3cr3t" not in scrubbed(f"cannot read '{uri}' (twice: {uri}): no")


@pytest.mark.parametrize("uri", OPEN)
def test_a_uri_without_secrets_is_shown_as_it_is(uri: str) -> None:
    assert without_secrets(uri) == uri and not holds_secrets(uri)


@given(st.lists(st.sampled_from([*"a/?%253FD&#= .", "token="]), max_size=12).map("".join))
def test_any_key_below_a_root_with_options_comes_back_as_it_was(key: str) -> None:
    plain, options = split_options(join("s3://bucket?region=eu", key))
    assert not holds_secrets(join("s3://bucket?region=eu", key))
    assert options == "region=eu" and key_of(plain.removeprefix("s3://bucket/")) == key


def test_a_key_that_looks_like_an_option_is_no_option() -> None:
    assert split_options(join("s3://bucket", "a?region=x")) == ("s3://bucket/a%3Fregion=x", "")
    assert split_options("s3://bucket/who?.jpg") == ("s3://bucket/who?.jpg", "")


def test_a_question_mark_in_a_root_begins_no_secret_of_its_keys() -> None:
    uri = join("s3://bucket/q?r#", "amp&x=1.jpg")
    assert uri == "s3://bucket/q%3Fr#/amp&x=1.jpg" and not holds_secrets(uri)
    assert locate(join("file:///data/q?r", "a?b%3F.jpg"))[1] == "/data/q?r/a?b%3F.jpg"


@pytest.mark.parametrize(
    "text",
    [
        "s3://k:s'3cr3t@b/x", 's3://k:s"s3cr3t@b/x', "hdfs://k%3As<s3cr3t@b/x", "s3://b/x?secret_key='s3cr3t'", "s3://b/x?secret_key=<s3cr3t>",
        "AccountName=x;AccountKey=s3cr3t;EndpointSuffix=core.windows.net", "aws_secret_access_key: s3cr3t",
    ],
)  # fmt: skip
def test_a_secret_in_quotes_or_in_the_words_of_a_library_is_hidden_in_a_sentence(text: str) -> None:
    assert "s3cr3t" not in scrubbed(f"cannot read {text}, no")


@pytest.mark.parametrize("text", ["ray://h:1, ask me@home", "hdfs: no; key=1 (s3: a@b.jpg)", "/data/x#token=1 at 0x1"])
def test_a_sentence_without_secrets_is_left_alone(text: str) -> None:
    assert scrubbed(text).replace("***", "1") == text


def test_a_name_of_a_million_letters_is_looked_through_once() -> None:
    """By the square of its length it would take hours."""
    assert scrubbed("a" * 1_000_000) == "a" * 1_000_000 and not holds_secrets("a" * 1_000_000)


def test_names_that_leave_their_folder_are_known() -> None:
    assert all(climbs(name) for name in ("../x", "a/../../x", "a//b", "/etc", "a/.", ""))
    assert not any(climbs(name) for name in ("a", "a/b", "..a/b..", "a/...b"))


def test_a_sentence_keeps_its_punctuation_behind_a_secret() -> None:
    assert scrubbed("(s3://b/a?pw=s3cr3t): no, s3://b/a?pw=s3cr3t.") == "(s3://b/a?pw=***): no, s3://b/a?pw=***."


@pytest.mark.parametrize("uri", ["s3://", "s3:///a/b", "gs://?region=x", "s3://user@/a", "http://host/a", "x://y", ""])
def test_a_uri_at_which_nothing_can_lie_is_told_by_its_form(uri: str) -> None:
    assert no_place(uri)
    with pytest.raises(StorageError, match="names no bucket|is no place|with credentials") if uri else nullcontext():
        locate(join(uri, "a.jpg"))


@pytest.mark.parametrize("uri", ["data", "/data", "file:///data", "s3://b", "s3://me@b/a", "hdfs:///a", "GS://b/a"])
def test_a_uri_at_which_something_may_lie_is_left_alone(uri: str) -> None:
    assert no_place(uri) == ""
