"""Tables are read through one door, which refuses what may run code, what is damaged, and what is not expected."""

from __future__ import annotations

import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ucvgl.files.tables import map_table, read_table, required, table_bytes, write_table

SCHEMA = pa.schema([*required(id=pa.string()), ("r1", pa.float64()), ("rows", pa.list_(pa.int64()))])
PLAIN = pa.table({"id": ["a", "b"], "r1": [0.5, None], "rows": [[1], [2, 3]]})


class Touch:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class RunsCode(pa.ExtensionType):
    """As Ray's type of Python objects, and worse: it already runs code when a schema with it is read."""

    ran: Path

    def __init__(self) -> None:
        super().__init__(pa.large_binary(), "tests.runs_code")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> RunsCode:
        cls.ran.touch()
        return cls()


def write_parquet(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path)


def write_arrow(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


DOORS = [(write_parquet, read_table), (write_arrow, map_table)]


@pytest.fixture
def ran(tmp_path):
    """The file that is there when code ran."""
    RunsCode.ran = tmp_path / "ran"
    pa.register_extension_type(RunsCode())
    yield RunsCode.ran
    pa.unregister_extension_type("tests.runs_code")


@pytest.mark.parametrize(("write", "read"), DOORS)
@pytest.mark.parametrize("name", ["tests.runs_code", "ray.data.arrow_pickled_object", "ray.data.arrow_tensor_v2"])
@pytest.mark.parametrize("column", ["id", "another"])
@pytest.mark.parametrize("before", range(4))
def test_a_column_that_may_run_code_is_refused_before_any_runs(tmp_path, ran, write, read, name, column, before):
    """A registered type runs code at the schema; its name stands at any of three places in base64."""
    marks = {"ARROW:extension:name": name, "ARROW:extension:metadata": pickle.dumps(Touch(ran))}
    field = pa.field(column, pa.large_binary(), metadata=marks)
    schema = pa.schema([field], metadata={"x" * before: "y"})
    write(tmp_path / "table", pa.table([pa.array([pickle.dumps(Touch(ran))])], schema=schema))
    ran.unlink(missing_ok=True)  # writing made the type, too
    with pytest.raises(ValueError, match=r"table holds a column of an Arrow extension type; .*may run code"):
        read(tmp_path / "table", SCHEMA)
    assert not ran.exists()


@pytest.mark.parametrize(("write", "read"), DOORS)
def test_a_type_that_runs_code_inside_a_list_is_refused(tmp_path, ran, write, read):
    inner = pa.field("item", pa.large_binary(), metadata={"ARROW:extension:name": "tests.runs_code"})
    write(tmp_path / "table", pa.table({"rows": pa.array([[b"x"]], pa.list_(inner))}))
    ran.unlink(missing_ok=True)
    with pytest.raises(ValueError, match="extension type"):
        read(tmp_path / "table", SCHEMA)
    assert not ran.exists()


@pytest.mark.parametrize(("write", "read"), DOORS)
def test_what_is_expected_is_read_in_the_order_and_types_of_the_schema(tmp_path, write, read):
    shuffled = PLAIN.select(["rows", "id", "r1"]).cast(
        pa.schema([("rows", pa.large_list(pa.int32())), ("id", pa.large_string()), ("r1", pa.float32())])
    )
    write(tmp_path / "table", shuffled.replace_schema_metadata({"threshold": "0.1"}))
    found = read(tmp_path / "table", SCHEMA)
    assert found.to_pylist() == PLAIN.to_pylist()
    types = [pa.string(), pa.float32(), pa.list_(pa.int32())]
    assert (found.schema.names, found.schema.types) == (SCHEMA.names, types)
    assert found.schema.metadata == {b"threshold": b"0.1"}


def test_a_column_of_nothing_but_nothing_may_stand_for_a_nullable_one(tmp_path):
    write_table(tmp_path / "table", pa.table({"id": ["a"], "r1": pa.nulls(1), "rows": pa.nulls(1)}))
    assert read_table(tmp_path / "table", SCHEMA).to_pylist() == [{"id": "a", "r1": None, "rows": None}]


WRONG = {
    "lacks the columns r1, rows; it should have id, r1, rows": {"id": ["a"]},
    "holds other columns than are expected, and holds more": {**PLAIN.to_pydict(), "more": [1, 2]},
    "the column id holds int64, not texts": {**PLAIN.to_pydict(), "id": [1, 2]},
    "the column r1 holds string, not numbers": {**PLAIN.to_pydict(), "r1": ["1", "2"]},
    "the column id has 1 empty rows": {**PLAIN.to_pydict(), "id": ["a", None]},
    "the column rows holds list<.*string>, not list<item: int64>": {**PLAIN.to_pydict(), "rows": [["a"], ["b"]]},
}


@pytest.mark.parametrize("words", WRONG)
@pytest.mark.parametrize(("write", "read"), DOORS)
def test_what_is_not_expected_is_refused_with_its_name(tmp_path, write, read, words):
    write(tmp_path / "table", pa.table(WRONG[words]))
    with pytest.raises(ValueError, match=f"table:? {words}"):
        read(tmp_path / "table", SCHEMA)


def test_other_plain_columns_may_lie_beside_where_a_user_made_the_file(tmp_path):
    write_table(tmp_path / "table", PLAIN.append_column("when", pa.array([1, 2], pa.timestamp("s"))))
    assert read_table(tmp_path / "table", SCHEMA, beside=True).column_names == SCHEMA.names
    assert read_table(table_bytes(PLAIN.select(["id"])), SCHEMA, optional=("r1", "rows")).column_names == ["id"]


@pytest.mark.parametrize(("write", "read"), DOORS)
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(tmp_path, write, read, share):
    write(tmp_path / "table", PLAIN)
    data = (tmp_path / "table").read_bytes()
    (tmp_path / "table").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match="table .*(no Parquet|no Arrow) file that can be read .*; copy it again"):
        read(tmp_path / "table", SCHEMA)


@pytest.mark.parametrize(("write", "read"), DOORS)
def test_a_wrong_byte_anywhere_is_refused_or_read_and_nothing_else(tmp_path, write, read):
    """No crash of the process, and no error that is not ours."""
    write(tmp_path / "table", PLAIN)
    data = (tmp_path / "table").read_bytes()
    for at in range(0, len(data), 5):
        (tmp_path / "table").write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        try:
            read(tmp_path / "table", SCHEMA).to_pylist()
        except ValueError as error:
            assert str(tmp_path) in str(error)


@pytest.mark.parametrize("read", [read_table, map_table])
def test_a_file_that_is_missing_is_said_to_be(tmp_path, read):
    with pytest.raises(ValueError, match="table is missing; copy it again from where it was made, or make it anew"):
        read(tmp_path / "table", SCHEMA)


@pytest.mark.parametrize("written", ["file", "bytes"])
def test_a_flipped_bit_changes_no_value_unnoticed_without_any_list_of_parts(tmp_path, written):
    """As in an index that is not finished, whose parts are in no list yet."""
    table = pa.table({"id": [f"place {row * 7919 % 1000}" for row in range(200)]})
    write_table(tmp_path / "a", table)
    data = (tmp_path / "a").read_bytes() if written == "file" else table_bytes(table)
    schema, noticed = pa.schema(required(id=pa.string())), 0
    places = range(4, len(data) - int.from_bytes(data[-8:-4], "little") - 8, 41)
    for at in places:
        damaged = bytearray(data)
        damaged[at] ^= 4
        try:
            assert read_table(bytes(damaged), schema, origin="a").to_pylist() == table.to_pylist()
        except ValueError as error:
            assert "no Parquet file that can be read" in str(error)
            noticed += 1
    assert noticed > 0.8 * len(places)
