"""The one door for tables: every Parquet and Arrow file is read and written here.

Ray registers Arrow types that run code when a value of theirs is read. So a reader says which columns it expects and of
which plain types, and a file with anything else is refused by its schema, before a value is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ucvgl.atomic import whole
from ucvgl.files import cached
from ucvgl.files.parts import check_part, check_size

PARQUET_END, ARROW_END = b"PAR1", b"ARROW1"
EXTENSION = b"ARROW:extension"
IN_BASE64 = (b"QVJST1c6ZXh0ZW5zaW9u", b"FSUk9XOmV4dGVuc2lvb", b"BUlJPVzpleHRlbnNpb2")
"""The same word as Parquet keeps a schema, at any of three places; without ends that depend on more."""
DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError)
"""What pyarrow raises on bytes that it does not expect."""
WAY_OUT = "copy it again from where it was made, or make it anew"


def read_table(
    source: Path | str | bytes,
    schema: pa.Schema,
    *,
    optional: Collection[str] = (),
    beside: bool = False,
    origin: str = "",
    way_out: str = WAY_OUT,
) -> pa.Table:
    """The columns of a Parquet file in the order and of the types of a schema, with the file's metadata.

    Numbers stay as wide as they were written.

    Args:
        source: the file, or its content.
        schema: the columns that are expected; those that are not nullable have a value in every row.
        optional: columns that may be missing.
        beside: whether there may be other plain columns, which are left unread.
        origin: what to call a content in errors.

    Raises:
        ValueError: it is missing, damaged, or holds something else than is expected.
    """
    origin = origin or str(source)
    data = _content(Path(source), origin, way_out) if isinstance(source, (Path, str)) else source
    _refuse_extensions(data[-_footer_bytes(data[-8:], len(data), PARQUET_END, origin, way_out) :], origin)
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        names = _expected(file.schema_arrow, schema, optional, beside, origin)
        table = file.read(columns=names)
        table.validate(full=True)
    except DAMAGE as error:
        raise ValueError(f"{origin} is no Parquet file that can be read ({_first(error)}); {way_out}") from error
    return _typed(table.select(names), schema, origin)


def table_fits(path: Path) -> bool:
    """Whether a Parquet file is what `write_table` wrote, as far as its checksums tell."""
    try:
        data = path.read_bytes()
        _refuse_extensions(data[-_footer_bytes(data[-8:], len(data), PARQUET_END, str(path), WAY_OUT) :], str(path))
        pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True).read()
        return True
    except (ValueError, *DAMAGE):
        return False


def map_table(path: Path | str, schema: pa.Schema) -> pa.Table:
    """The columns of an Arrow file, as `read_table`, mapped into memory and not read.

    Raises:
        ValueError: as `read_table`; its digest is not compared, as this would read it.
    """

    def look(file: Path) -> pa.Table:
        return _of_arrow(pa.memory_map(str(file)), schema, None, str(path))

    return _arrow(path, schema, lambda: cached.opened(Path(path), look))


def peek_table(path: Path | str, schema: pa.Schema, column: int) -> pa.Table:
    """One column of an Arrow file, without fetching the others where it lies in a bucket.

    Raises:
        ValueError: as `map_table`.
    """
    return _arrow(
        path, pa.schema([schema.field(column)]),
        lambda: cached.peek(Path(path), lambda file: _of_arrow(file, schema, column, str(path))),
    )  # fmt: skip


def _arrow(path: Path | str, schema: pa.Schema, look: Callable[[], pa.Table]) -> pa.Table:
    try:
        table = look()
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; {WAY_OUT}") from None
    except DAMAGE as error:
        raise ValueError(f"{path} is no Arrow file that can be read ({_first(error)}); {WAY_OUT}") from error
    return _typed(table.select(schema.names), schema, str(path))


def _of_arrow(opened: pa.NativeFile, schema: pa.Schema, column: int | None, origin: str) -> pa.Table:
    """The table of an open Arrow file, refused by its footer before a value is touched."""
    size = opened.size()
    tail = opened.read_at(min(size, 10), max(0, size - 10))
    footer = _footer_bytes(tail, size, ARROW_END, origin, WAY_OUT)
    _refuse_extensions(opened.read_at(footer, size - footer), origin)
    options = pa.ipc.IpcReadOptions(included_fields=[] if column is None else [column])
    file = pa.ipc.open_file(opened, options=options)
    _expected(file.schema, schema if column is None else pa.schema([schema.field(column)]), (), False, origin)
    table = file.read_all()
    table.validate(full=True)
    return table


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file, whole or not at all, with a checksum of every page."""
    with whole(path) as aside:
        pq.write_table(table, aside, write_page_checksum=True)


def table_bytes(table: pa.Table) -> bytes:
    """The content of a Parquet file."""
    content = BytesIO()
    pq.write_table(table, content, write_page_checksum=True)
    return content.getvalue()


def required(**types: pa.DataType) -> list[pa.Field]:
    """Columns that have a value in every row."""
    return [pa.field(name, type_, nullable=False) for name, type_ in types.items()]


def _content(path: Path, origin: str, way_out: str) -> bytes:
    try:
        if cached.here(path).is_file():
            check_size(path)
        elif path.exists():
            raise OSError("it is no regular file")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"{origin} is missing; {way_out}") from None
    except OSError as error:
        raise ValueError(f"{origin} cannot be read ({error.strerror or error}); {way_out}") from error
    check_part(path, data)
    return data


def _footer_bytes(tail: bytes, size: int, mark: bytes, origin: str, way_out: str) -> int:
    """How long the footer is that holds the schema, with its length and the mark behind it."""
    behind = 4 + len(mark)
    length = int.from_bytes(tail[-behind : -len(mark)], "little")
    if len(tail) < behind or not tail.endswith(mark) or not 0 < length <= size - behind:
        kind = "Parquet" if mark == PARQUET_END else "Arrow"
        raise ValueError(f"{origin} is no {kind} file that can be read (cut off, or something else); {way_out}")
    return length + behind


def _refuse_extensions(footer: bytes, origin: str) -> None:
    if any(word in footer for word in (EXTENSION, *IN_BASE64)):
        raise ValueError(
            f"{origin} holds a column of an Arrow extension type; such a type may run code when it is read, so only "
            "plain columns are: do not open files of people you do not trust, and write your own with plain types"
        )


def _expected(
    found: pa.Schema, schema: pa.Schema, optional: Collection[str], beside: bool, origin: str
) -> list[str]:
    """The names of the columns to read."""
    unwanted = sorted(set(found.names) - set(schema.names))
    missing = [name for name in schema.names if name not in found.names and name not in optional]
    if missing or (unwanted and not beside):
        others = f", and holds {', '.join(unwanted[:5])}" if unwanted and not beside else ""
        lacks = f"lacks the columns {', '.join(missing)}" if missing else "holds other columns than are expected"
        raise ValueError(f"{origin} {lacks}{others}; it should have {', '.join(schema.names)}")
    if len(set(found.names)) < len(found.names):
        raise ValueError(f"{origin} holds two columns of one name; write it with different ones")
    for field in found:
        if not _is_plain(field.type):
            raise ValueError(f"{origin}: the column {field.name} holds {field.type}, which is no plain type")
    names = [name for name in schema.names if name in found.names]
    for name in names:
        if not _fits(found.field(name).type, schema.field(name)):
            wanted = _words(schema.field(name).type)
            raise ValueError(f"{origin}: the column {name} holds {found.field(name).type}, not {wanted}")
    return names


def _typed(table: pa.Table, schema: pa.Schema, origin: str) -> pa.Table:
    fields = [schema.field(name) for name in table.column_names]
    for field in fields:
        if not field.nullable and table[field.name].null_count:
            count = table[field.name].null_count
            raise ValueError(f"{origin}: the column {field.name} has {count} empty rows; {WAY_OUT}")
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if not key.startswith(b"ARROW:")}
    target = pa.schema([field.with_type(_target(table[field.name].type, field.type)) for field in fields])
    return table.cast(target).replace_schema_metadata(metadata or None)


def _target(found: pa.DataType, wanted: pa.DataType) -> pa.DataType:
    """The wanted type, with numbers as wide as they were written."""
    if _is_list(wanted) and _is_list(found):
        return pa.list_(_target(found.value_type, wanted.value_type))
    return found if _is_number(found) else wanted


def _is_number(type_: pa.DataType) -> bool:
    return pa.types.is_integer(type_) or pa.types.is_floating(type_)


def _is_plain(type_: pa.DataType) -> bool:
    """Whether it is one of Arrow's own types all the way down."""
    if isinstance(type_, pa.BaseExtensionType):
        return False
    inner = [type_.field(number).type for number in range(type_.num_fields)]
    if pa.types.is_dictionary(type_):
        inner.append(type_.value_type)
    return all(map(_is_plain, inner))


def _fits(found: pa.DataType, wanted: pa.Field) -> bool:
    """Whether a type holds values of the wanted kind, whatever their width."""
    if pa.types.is_null(found):
        return wanted.nullable
    if pa.types.is_dictionary(found):
        found = found.value_type
    if _is_list(wanted.type):
        return _is_list(found) and _fits(found.value_type, wanted.type.value_field)
    return any(kind(found) and kind(wanted.type) for kind in KINDS)


def _is_text(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)


def _is_list(type_: pa.DataType) -> bool:
    return pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)


KINDS: Sequence = (
    _is_text,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_binary,
)


def _words(type_: pa.DataType) -> str:
    names = {"string": "texts", "double": "numbers", "float": "numbers", "bool": "true or false", "binary": "bytes"}
    return names.get(str(type_), "whole numbers" if pa.types.is_integer(type_) else str(type_))


def _first(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
