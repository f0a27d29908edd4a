import pytest

from ucvgl.images import retries
from ucvgl.images.retries import StorageError, patiently

WORDS = "When reading information for key 'a.jpg' in bucket 'b': AWS Error "


class Call:
    """Fails with these errors, one after another, and then returns."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.fixture
def slept(monkeypatch):
    """How long was waited, without waiting; the clock goes on with it."""
    waits = []
    monkeypatch.setattr(retries.time, "sleep", waits.append)
    monkeypatch.setattr(retries.time, "monotonic", lambda: sum(waits))
    return waits


@pytest.mark.parametrize(
    "error",
    [
        OSError(f"{WORDS}NETWORK_CONNECTION during HeadObject operation: curlCode: 7, Could not connect to server"),
        OSError(f"{WORDS}UNKNOWN (HTTP status 503) during GetObject operation: No response body."),
        OSError(f"{WORDS}SLOW_DOWN during PutObject operation: Please reduce your request rate."),
        OSError("google::cloud::Status(UNAVAILABLE: try later)"),
        OSError("curlCode: 28, Timeout was reached"),
        ConnectionResetError(104, "Connection reset by peer"),
        TimeoutError("timed out"),
    ],
    ids=str,
)
def test_what_passes_is_tried_again_at_growing_distances(slept, error):
    assert patiently(Call(*[error] * 5), "s3://b/a.jpg") == "done"
    assert len(slept) == 5
    assert all(0.5 * wait <= found <= wait for wait, found in zip((0.5, 1, 2, 4, 8), slept, strict=True))


def test_a_fault_that_lasts_ends_after_two_minutes_and_throttling_after_an_hour(slept):
    for code, limit in (("INTERNAL_FAILURE", 120), ("SLOW_DOWN", 3600)):
        slept.clear()
        with pytest.raises(StorageError, match=rf"a.jpg cannot be reached after \d+ s of trying again: {code}"):
            patiently(Call(*[OSError(f"{WORDS}{code} during GetObject operation: no")] * 1000), "s3://b/a.jpg")
        assert limit - 31 < sum(slept) <= limit


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("INVALID_ACCESS_KEY_ID", r"s3://b refuses the credentials .*AWS_PROFILE, or AWS_ACCESS_KEY_ID"),
        ("SIGNATURE_DOES_NOT_MATCH", r"s3://b refuses the credentials"),
        ("EXPIRED_TOKEN", r"s3://b refuses the credentials"),
        ("ACCESS_DENIED", r"s3://b/a.jpg: access denied .* that they may list and read s3://b"),
        ("NO_SUCH_BUCKET", r"s3://b does not exist; check its name"),
    ],
)
def test_what_does_not_pass_is_told_at_once(slept, code, message):
    with pytest.raises(StorageError, match=message):
        patiently(Call(OSError(f"{WORDS}{code} during GetObject operation: no (Request ID: x)")), "s3://b/a.jpg")
    assert slept == []


@pytest.mark.parametrize("error", [FileNotFoundError(2, "no"), PermissionError(13, "no"), OSError(5, "I/O error")])
def test_other_errors_are_left_as_they_are(slept, error):
    for uri in ("/a.jpg", "s3://b/a.jpg"):
        with pytest.raises(type(error)) as caught:
            patiently(Call(error), uri)
        assert caught.value is error
    assert slept == []
