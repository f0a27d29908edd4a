"""The page in a real browser."""

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

from tests.index.areas import make_index, pictures
from tests.serve.browser import browser, missing
from tests.serve.server import serving
from ucvgl.serve.app import application

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(missing()), reason=f"needs a browser: {missing()}")]

SHOWN = "!document.getElementById('result').hidden && [...document.images].every(image => image.complete)"
DROP = """
const [pixels] = arguments, data = new DataTransfer();
const bytes = Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0));
data.items.add(new File([bytes], "photo.png", { type: "image/png" }));
document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


def test_a_photo_that_is_chosen_or_dropped_gets_tiles_and_a_map_and_a_bad_one_a_sentence(home):
    import base64

    localizer = make_index(home / "area")
    first, second = pictures(home / "photos", 2, (32, 128), seed=7)
    bad = home / "bad.jpg"
    bad.write_bytes(b"no image")
    with serving(application(localizer)) as server, browser(home / "profile") as page:
        page.open(server.url)
        page.wait_for("document.getElementById('limits').textContent")
        assert "6 tiles are searched" in page.script("return document.body.innerText")

        page.choose_file("#file", first)
        page.wait_for(SHOWN)
        (answer,) = localizer.localize(first)
        ids = "return [...document.querySelectorAll('#tiles li .muted')].map(item => item.textContent)"
        assert page.script(ids) == [tile.id for tile in answer.candidates]
        assert page.script("return document.querySelectorAll('#map .mark').length") == 5
        assert page.script("return [...document.images].every(image => image.naturalWidth > 0)")
        assert answer.confidence is not None
        assert f"{round(100 * answer.confidence)} %" in page.script("return document.body.innerText")
        picture = home / "page.png"
        page.screenshot(picture)
        assert picture.stat().st_size > 10_000

        page.script(DROP, base64.b64encode(second.read_bytes()).decode())
        (answer,) = localizer.localize(second)
        expected = [tile.id for tile in answer.candidates]
        page.wait_for(f"({ids.removeprefix('return ')}).join() === {','.join(expected)!r}")
        assert page.complaints() == []

        page.choose_file("#file", bad)
        page.wait_for("document.getElementById('message').className === 'wrong'")
        assert "it is not a JPEG, PNG or WEBP image" in page.script("return document.body.innerText")
        assert page.script("return document.getElementById('result').hidden")
