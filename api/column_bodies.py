"""Parquet and Arrow bodies of factor values: columns `session` or `date`, `symbol`, `value`, a row a value.

Foreign bytes can be made to claim anything. Columns and their types, the rows and the size they say they will have are
looked at first; compressed Arrow is not taken, because it does not say.
"""

import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from api.value_bodies import Body, fault
from domain.factor_values import UPLOAD_SCHEMA
from domain.tables import Day, Table, clean
from models.errors import InputError

# Null is let through: domain.factor_values refuses it, and says which dates there may be.
DAYS = Table("factor values", {"session": Day(nullable=True)}, key=("session",))
MAX_ROWS = 5_000_000
MAX_BYTES = 256 * 1024 * 1024
ARROW_MAGIC = b"ARROW1"
# Places of fields in the tables of Arrow's Message.fbs and File.fbs, and a block of the latter.
HEADER, DICTIONARY_DATA, COMPRESSION = 2, 1, 3
BLOCKS = (2, 3)
BLOCK = struct.Struct("<qi4xq")


def read_parquet(body: bytes) -> Body:
    """Read a Parquet file, written by whatever library."""
    with _foreign("Parquet"):
        file = pq.ParquetFile(pa.BufferReader(body))
        _check_columns(file.schema_arrow)
        groups = [file.metadata.row_group(n) for n in range(file.metadata.num_row_groups)]
        size = sum(group.column(n).total_uncompressed_size for group in groups for n in range(group.num_columns))
        _check_size(max(file.metadata.num_rows, sum(group.num_rows for group in groups)), size)
        table = file.read()
    return _read(table)


def read_arrow(body: bytes) -> Body:
    """Read an Arrow IPC stream or file, its buffers not compressed."""
    with _foreign("Arrow"):
        is_file = body.startswith(ARROW_MAGIC)
        _check_messages(_messages_of_file(body) if is_file else pa.ipc.MessageReader.open_stream(body))
        with pa.ipc.open_file(body) if is_file else pa.ipc.open_stream(body) as reader:
            _check_columns(reader.schema)
            given = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
            batches: list[Any] = []
            for batch in given:
                batch.validate(full=True)
                batches.append(batch)
                _check_size(sum(each.num_rows for each in batches), 0)
        table = pa.Table.from_batches(batches, reader.schema)
    return _read(table)


@contextmanager
def _foreign(kind: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, struct.error, IndexError, EOFError):
        fault(expected=f"expected a whole and sound {kind} body", kind="unreadable")


def _check_columns(schema: Any) -> None:
    names = sorted(schema.names)
    if names not in (["session", "symbol", "value"], ["date", "symbol", "value"]):
        got = ", ".join(name[:20] for name in schema.names[:10])
        fault(expected=f"expected the columns session (or date), symbol and value, got {got}")
    day, symbol, value = (schema.field(name).type for name in names)
    known = (pa.types.is_date, pa.types.is_timestamp, pa.types.is_integer, pa.types.is_float64, _is_text)
    if not any(of_kind(day) for of_kind in known):
        fault(names[0], expected=f"expected dates, got {str(day)[:40]}")
    if not _is_text(symbol):
        fault("symbol", expected=f"expected texts, got {str(symbol)[:40]}")
    if not (value in {pa.float64(), pa.float32()} or pa.types.is_integer(value)):
        fault("value", expected=f"expected numbers, got {str(value)[:40]}")


def _is_text(kind: Any) -> bool:
    text = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(text) or pa.types.is_large_string(text) or pa.types.is_string_view(text))


def _check_size(rows: int, size: int) -> None:
    if rows > MAX_ROWS or size > MAX_BYTES:
        most = f"{MAX_ROWS:,} rows and {MAX_BYTES // 1024 // 1024} MiB uncompressed"
        fault(expected=f"expected at most {most} in a request, got {rows:,} rows and {size:,} bytes")


def _messages_of_file(body: bytes) -> Iterator[Any]:
    end = len(body) - len(ARROW_MAGIC) - 4
    footer = body[end - struct.unpack_from("<I", body, end)[0] : end]
    for field in BLOCKS:
        blocks = _follow(footer, struct.unpack_from("<I", footer)[0], field)
        for n in range(struct.unpack_from("<I", footer, blocks)[0] if blocks else 0):
            offset, metadata, size = BLOCK.unpack_from(footer, blocks + 4 + n * BLOCK.size)
            yield pa.ipc.read_message(body[offset : offset + metadata + size])


def _check_messages(messages: Iterable[Any]) -> None:
    for message in messages:
        if message.type not in {"record batch", "dictionary"}:
            continue
        content = message.metadata.to_pybytes()
        batch = _follow(content, struct.unpack_from("<I", content)[0], HEADER)
        if batch and message.type == "dictionary":
            batch = _follow(content, batch, DICTIONARY_DATA)
        if batch and _follow(content, batch, COMPRESSION):
            fault(expected="expected Arrow without compression of its buffers; Parquet is the small way to send it")


def _follow(content: bytes, table: int, field: int) -> int:
    """Return where the table lies that a field of another one names, 0 where the field is not set (FlatBuffers)."""
    (back,) = struct.unpack_from("<i", content, table)
    fields = table - back
    (length,) = struct.unpack_from("<H", content, fields)
    place = 4 + 2 * field
    offset = struct.unpack_from("<H", content, fields + place)[0] if place < length else 0
    return table + offset + struct.unpack_from("<I", content, table + offset)[0] if offset else 0


def _read(table: Any) -> Body:
    day = "date" if "date" in table.column_names else "session"
    frame: pl.DataFrame = pl.from_arrow(table)  # type: ignore[assignment]
    frame = frame.rename({day: "session"}).select(*UPLOAD_SCHEMA)
    if frame.is_empty():
        fault(expected="expected at least one value")
    try:
        session = clean(frame.select("session"), DAYS)["session"]
    except InputError as error:
        fault(day, expected=f"expected {error.expected} of day, got {error.got}")
    frame = frame.with_columns(session).cast(pl.Schema(UPLOAD_SCHEMA))
    return Body(frame, lambda found: (day if found.field == "date" else found.field,))
