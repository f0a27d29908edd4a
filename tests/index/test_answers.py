import json
from dataclasses import replace

from ucvgl.index.answers import ROWS, Answer, Candidate, geojson, json_lines, rows, table
from ucvgl.index.camera_place import Camera

FIRST = Candidate(3, "a", "/tiles/a.png", 0.61234567, 41.5, -2.25)
SECOND = Candidate(0, "b", "s3://tiles/\N{SNOWMAN}.png", 0.5, None, None)
ANSWERS = [Answer("p.jpg", 0.87654321, (FIRST, SECOND)), Answer("q.jpg", None, (SECOND,))]


def test_the_table_has_a_line_per_photo_and_per_tile():
    assert table(ANSWERS).splitlines() == [
        "p.jpg   confidence 0.88",
        "   1   0.612    41.500000   -2.250000  /tiles/a.png",
        "   2   0.500  s3://tiles/\N{SNOWMAN}.png",
        "q.jpg",
        "   1   0.500  s3://tiles/\N{SNOWMAN}.png",
    ]


def test_a_json_line_per_photo():
    first, second = map(json.loads, json_lines(ANSWERS).splitlines())
    assert (first["query"], first["confidence"], second["confidence"]) == ("p.jpg", 0.8765, None)
    assert first["tiles"][0] == {"id": "a", "uri": "/tiles/a.png", "similarity": 0.6123, "lat": 41.5, "lon": -2.25}
    assert [tile["id"] for tile in first["tiles"]] == ["a", "b"]


def test_geojson_puts_the_longitude_first_and_null_where_there_is_no_place():
    found = json.loads(geojson(ANSWERS))
    assert found["type"] == "FeatureCollection" and len(found["features"]) == 3
    first, second, _ = found["features"]
    assert first["geometry"] == {"type": "Point", "coordinates": [-2.25, 41.5]}
    assert second["geometry"] is None
    assert first["properties"] == {
        "query": "p.jpg", "confidence": 0.8765, "rank": 1, "id": "a", "uri": "/tiles/a.png", "similarity": 0.6123,
        "note": "", "here": None, "heading_deg": None,
    }


def test_rows_have_the_columns_of_the_parquet_files():
    assert [list(row) for row in rows(ANSWERS)] == [ROWS.names] * 3
    assert [(row["query"], row["rank"]) for row in rows(ANSWERS)] == [("p.jpg", 1), ("p.jpg", 2), ("q.jpg", 1)]


def test_what_speaks_against_an_answer_is_said_in_every_format():
    (answer,) = doubted = [Answer("p.jpg", None, (FIRST,), note="it shows nothing")]
    assert table(doubted).splitlines()[:2] == ["p.jpg", "  note: it shows nothing"]
    assert json.loads(json_lines(doubted))["note"] == "it shows nothing"
    assert json.loads(geojson(doubted))["features"][0]["properties"]["note"] == "it shows nothing"
    assert rows(doubted)[0]["note"] == answer.note


CAMERA = Camera(3.25, -1.5, 0.75, 40.0, "m", 41.49998652, -2.24996, 358.0, 1.25)
PLACED = replace(ANSWERS[0], camera=CAMERA)


def test_the_camera_is_told_in_every_format():
    assert table([PLACED]).splitlines()[1] == "  camera  41.499987 -2.249960 +- 0.8 m, heading 358.0 +- 1.2 degrees"
    told = json.loads(json_lines([PLACED]))["camera"]
    assert told["unit"] == "m" and (told["lat"], told["east"], told["radius"]) == (41.4999865, 3.25, 0.75)
    features = json.loads(geojson([PLACED]))["features"]
    assert [feature["properties"]["rank"] for feature in features] == [0, 1, 2]
    assert features[0]["geometry"]["coordinates"] == [-2.24996, 41.4999865]
    assert features[0]["properties"]["camera_radius"] == 0.75
    for row in rows([PLACED]):
        assert (row["camera_lat"], row["camera_unit"], row["camera_heading_deg"]) == (41.49998652, "m", 358.0)
    assert rows(ANSWERS)[0]["camera_lat"] is None and json.loads(json_lines(ANSWERS[:1]))["camera"] is None


def test_without_coordinates_the_camera_is_told_from_the_middle_of_the_tile():
    nowhere = replace(PLACED, camera=replace(CAMERA, lat=None, lon=None, unit="px"))
    line = table([nowhere]).splitlines()[1]
    assert line == (
        "  camera  3.2 px east and 1.5 px south of the middle of tile 1 +- 0.8 px, heading 358.0 +- 1.2 degrees"
    )
    assert len(json.loads(geojson([nowhere]))["features"]) == 2


def test_whether_the_place_is_there_and_the_heading_are_told_in_every_format():
    told = [replace(ANSWERS[0], here=0.25, heading_deg=30.0)]
    assert table(told).splitlines()[:2] == ["p.jpg   confidence 0.88   here 0.25", "  heading about 30 degrees"]
    for one in (json.loads(json_lines(told)), rows(told)[0], json.loads(geojson(told))["features"][0]["properties"]):
        assert (one["here"], one["heading_deg"]) == (0.25, 30.0)
    camera = json.loads(geojson([replace(PLACED, here=0.25)]))["features"][0]["properties"]
    assert (camera["rank"], camera["here"]) == (0, 0.25)


ODD = "x\x1b[2J\x9b2J\u202ey\nfaked: 1"


def test_texts_of_a_strangers_index_change_no_terminal_in_any_format():
    answers = [Answer(ODD, None, (replace(FIRST, uri=ODD, id=ODD),), note=ODD)]
    for form, lines in ((table, 3), (json_lines, 1), (geojson, None)):
        told = form(answers)
        assert all(line.isprintable() for line in told.split("\n")) and lines in (None, told.count("\n") + 1)
    assert json.loads(json_lines(answers))["note"] == ODD
    assert json.loads(geojson(answers))["features"][0]["properties"]["id"] == ODD
