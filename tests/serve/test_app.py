"""The server answers photos, refuses everything else with a sentence, and gives no file away."""

import io
import json
import struct
import zlib

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

from PIL import Image

from tests.index.areas import PLACING, change_manifest, make_index, pictures
from tests.serve.server import serving
from ucvgl.index.localizer import load
from ucvgl.serve.app import answer, application

MAX_BYTES, MAX_PIXELS = 200_000, 300_000


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def localizer(home):
    return make_index(home / "area")


@pytest.fixture(scope="module")
def server(localizer):
    with serving(application(localizer, tiles=4, max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS)) as running:
        yield running


@pytest.fixture(scope="module")
def photo(home):
    return pictures(home / "photos", 1, (32, 128), seed=7)[0].read_bytes()


def encoded(kind, shape=(32, 128), **options):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(image).save(content, kind, **options)
    return content.getvalue()


def png_that_claims(width, height):
    """A PNG of a few bytes that says it has any number of pixels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def test_a_photo_is_answered_as_by_the_library(server, localizer, photo):
    reply = server.ask("POST", "/localize", photo)
    assert reply.status == 200
    found, (answer,) = json.loads(reply.body), localizer.localize(photo, k=4)
    assert found["confidence"] == pytest.approx(answer.confidence, abs=1e-6)
    assert [(tile["row"], tile["rank"]) for tile in found["tiles"]] == [
        (tile.row, rank) for rank, tile in enumerate(answer.candidates, 1)
    ]
    assert found["map"].startswith("<svg") and found["map"].count('class="mark"') == 4
    assert found["bev"].startswith("data:image/jpeg;base64,") and found["note"] == ""


def test_the_camera_is_drawn_on_its_tile_where_the_index_places_it(tmp_path, photo):
    make_index(tmp_path / "area")
    change_manifest(tmp_path / "area", placing=PLACING, tile_side_m=40.0)
    placed = answer(load(tmp_path / "area"), photo, 4, MAX_PIXELS)["camera"]
    assert placed["mark"].startswith("<svg") and " m, heading " in placed["words"]
    change_manifest(tmp_path / "area", placing=None)
    assert answer(load(tmp_path / "area"), photo, 4, MAX_PIXELS)["camera"] is None


KINDS = [("JPEG", {}), ("PNG", {}), ("WEBP", {}), ("JPEG", {"progressive": True})]


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_the_kinds_that_are_promised_are_taken(server, kind, options):
    assert server.ask("POST", "/localize", encoded(kind, **options)).status == 200


def test_a_photo_that_is_no_panorama_gets_a_warning(server):
    found = json.loads(server.ask("POST", "/localize", encoded("JPEG", shape=(64, 48))).body)
    assert "the photo is 48 x 64 pixels, and the model was trained on photos 4 times as wide as high" in found["note"]


def test_tiles_are_shown_by_row_and_encoded_anew(server, localizer):
    reply = server.ask("GET", "/tile/2.jpg")
    assert (reply.status, reply.headers["content-type"]) == (200, "image/jpeg")
    shown = cv2.imdecode(np.frombuffer(reply.body, np.uint8), cv2.IMREAD_COLOR)
    stored = cv2.imread(localizer.index.tiles["uri"][2].as_py())
    assert shown is not None and stored is not None
    assert np.corrcoef(shown.ravel(), stored.ravel())[0, 1] > 0.9


def test_nothing_that_is_sent_names_a_place_on_the_machine(server, localizer, photo, home):
    uri = localizer.index.tiles["uri"][0].as_py()
    assert str(home) in uri
    for reply in (server.ask("POST", "/localize", photo), server.ask("GET", "/about"), server.ask("GET", "/")):
        for private in (str(home), "uri", ".png", "/tmp"):
            assert private.encode() not in reply.body, private


def test_the_page_fetches_nothing_from_elsewhere_and_runs_no_other_script(server):
    reply = server.ask("GET", "/")
    assert reply.status == 200 and b"http" not in reply.body.replace(b"http-equiv", b"")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy and "script-src 'unsafe" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff"


JPEG, PNG, WEBP = encoded("JPEG"), encoded("PNG"), encoded("WEBP")
SHARES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97)
CUT = [data[: int(share * len(data))] for data in (JPEG, PNG, WEBP) for share in SHARES]
NOISE = [np.random.default_rng(seed).bytes(size) for seed, size in enumerate((1, 2, 10, 100, 1000, 10_000, 100_000))]
MAGIC = (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBPVP8 ", b"GIF89a")
HEADS = [head + b"\0" * 200 for head in MAGIC]
OTHERS = [
    encoded("GIF"),
    encoded("TIFF"),
    encoded("BMP"),
    encoded("PPM"),
    b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
    b"%PDF-1.7\n",
    b"GIF89a/*\xff\xff*/=1;alert(1)",
    b"push graphic-context\nimage over 0,0 0,0 '|id'\npop graphic-context",
    b"#EXTM3U\nfile:///etc/passwd",
    b"/etc/passwd",
    b"../../../../etc/passwd",
    b"file:///etc/passwd",
    b"{\"photo\": \"/etc/passwd\"}",
    b"--x\r\nContent-Disposition: form-data; name=f; filename=../../x.jpg\r\n\r\n" + JPEG + b"\r\n--x--",
    b"PK\x03\x04" + b"\0" * 100,
    b"\x7fELF" + b"\0" * 100,
    b" " + JPEG,
    b"\0" * 1000,
]
HUGE = 2**31 - 1
CLAIMS = [(1000, 1000), (300_001, 1), (1, 300_001), (20_000, 20_000), (HUGE, HUGE), (0, 5), (9, 0)]
BOMBS = [png_that_claims(width, height) for width, height in CLAIMS]
MALFORMED = [*CUT, *NOISE, *HEADS, *OTHERS, *BOMBS]


@pytest.mark.parametrize("number", range(len(MALFORMED)))
def test_a_malformed_upload_is_refused_with_a_sentence(server, number):
    reply = server.ask("POST", "/localize", MALFORMED[number])
    assert reply.status == 415, MALFORMED[number][:40]
    told = json.loads(reply.body)["detail"]
    assert told.startswith("this photo cannot be used: ") and len(told) < 200
    assert b"Traceback" not in reply.body and b"site-packages" not in reply.body


@pytest.mark.parametrize("flips", range(40))
def test_a_photo_with_wrong_bytes_is_answered_or_refused_but_never_an_error(server, flips):
    random = np.random.default_rng(flips)
    data = bytearray((JPEG, PNG, WEBP)[flips % 3])
    for place in random.integers(0, len(data), 1 + flips // 3):
        data[place] ^= int(random.integers(1, 256))
    reply = server.ask("POST", "/localize", bytes(data))
    assert reply.status in (200, 415)
    assert reply.status == 200 or json.loads(reply.body)["detail"].startswith("this photo cannot be used: ")


def test_an_upload_that_is_too_large_is_refused_whether_it_says_so_or_not(server):
    words = "the photo is larger than 0.2 MB; shrink it first"
    reply = server.ask("POST", "/localize", b"x", {"Content-Length": "999999999"})
    assert reply.status == 413 and json.loads(reply.body)["detail"] == words
    part = b"%x\r\n%s\r\n" % (50_000, b"x" * 50_000)
    chunked = part * 6 + b"0\r\n\r\n"
    reply = server.ask("POST", "/localize", chunked, {"Transfer-Encoding": "chunked"})
    assert reply.status in (400, 413)
    reply = server.ask("POST", "/localize", JPEG + b"\0" * MAX_BYTES)
    assert reply.status == 413 and json.loads(reply.body)["detail"] == words


def test_an_empty_upload_is_refused(server):
    reply = server.ask("POST", "/localize", b"")
    assert reply.status == 400 and "no photo came with the request" in json.loads(reply.body)["detail"]


PATHS = [
    "/etc/passwd", "//etc/passwd", "/../../../etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd",
    "/%2e%2e/%2e%2e/etc/passwd", "/tile/../../../etc/passwd", "/tile/..%2f..%2fetc%2fpasswd.jpg",
    "/tile//etc/passwd.jpg", "/tile/%2fetc%2fpasswd.jpg", "/tile/0", "/tile/.jpg", "/tile/-1.jpg",
    "/tile/6.jpg", "/tile/1e3.jpg", "/tile/0x1.jpg", "/tile/1.png", "/tile/ 1.jpg", "/tile/1.jpg/../../x",
    "/tile/" + "9" * 400 + ".jpg", "/tile/1.0.jpg", "/page.html", "/app.py", "/static/page.html",
    "/manifest.json", "/model.pt", "/tiles.parquet", "/docs", "/openapi.json", "/redoc", "/.git/config",
    "/proc/self/environ", "/localize/../../etc/passwd", "/about/../../etc/passwd", "/%00", "/tile/1%00.jpg",
    "/tile/1.jpg%00", "/tile/%31%30.jpg", "/localize?file=/etc/passwd", "/tile/1.jpg;/etc/passwd",
    "/tile/%D9%A1.jpg",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_to_a_file(server, path):
    reply = server.ask("GET", path.replace(" ", "%20"))
    assert reply.status in (307, 400, 404, 405, 422), (path, reply.status)
    assert b"root:" not in reply.body and b"import" not in reply.body and b"PATH=" not in reply.body


def test_a_tile_whose_image_is_no_image_is_not_given_away(tmp_path):
    localizer = make_index(tmp_path / "area")
    secret = tmp_path / "tiles" / "000.png"
    secret.write_text("a secret")
    with serving(application(localizer)) as running:
        reply = running.ask("GET", "/tile/0.jpg")
    assert reply.status == 404 and b"secret" not in reply.body and str(tmp_path).encode() not in reply.body


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_do_nothing(server, method):
    assert server.ask(method, "/localize", b"").status == 405
