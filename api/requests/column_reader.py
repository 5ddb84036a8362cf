"""Reads Parquet and Arrow bodies of strangers, in a process of its own: `python -m
countersign.api.requests.column_reader`.

Such a body can be made to claim anything, take any memory, or end the process that reads it. So a child with limits
reads each, and leaves a small and plain table. It first looks at columns, types, and the rows and the size that the
body declares. Texts stay a dictionary, so that a long one is not repeated for each row. Compressed Arrow is refused,
because it does not declare its size.

A line of JSON on standard input, {"kind": …, "body": file, "table": file}, is answered by a line on standard output:
{} once the table is written, as an Arrow file, or {"fault": …, "column": …}. Nothing but pyarrow is imported: a child
begins as a copy of this process.
"""

import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MAX_ROWS = 5_000_000
MAX_BYTES = 256 * 1024 * 1024
# The most bytes that a day, with a time and a zone, or a symbol takes.
MAX_TEXT_BYTES = 64
MAX_MEMORY_BYTES, MAX_SECONDS = 1536 * 1024 * 1024, 20
ARROW_MAGIC = b"ARROW1"
PARQUET = "application/vnd.apache.parquet"
TEXT = pa.dictionary(pa.int32(), pa.string())
# Places of fields in the tables of Arrow's Message.fbs and File.fbs, and a block of the latter.
HEADER, DICTIONARY_DATA, COMPRESSION = 2, 1, 3
BLOCKS = (2, 3)
BLOCK = struct.Struct("<qi4xq")


class _Fault(Exception):  # noqa: N818 - told, not raised further
    """The body is refused; `column` is the one that is at fault, None for all of it."""

    def __init__(self, expected: str, column: str | None = None) -> None:
        super().__init__(f"expected {expected}")
        self.column = column


def main() -> None:
    """Read one body after the other, each in a child, until nobody asks any more."""
    # Ctrl-C is for those who ask.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _answer(asked)
        _, status = os.waitpid(child, 0)
        if status:
            _say(_too_dear())


def _answer(asked: dict[str, str]) -> NoReturn:
    code = 0
    try:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        memory = MAX_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MAX_MEMORY_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(MAX_SECONDS)
        _say(_read(asked))
    except BaseException:
        code = 1
    os._exit(code)


def _read(asked: dict[str, str]) -> dict[str, str | None]:
    kind = "Parquet" if asked["kind"] == PARQUET else "Arrow"
    try:
        table = (_read_parquet if kind == "Parquet" else _read_arrow)(asked["body"])
        with pa.ipc.new_file(asked["table"], table.schema) as writer:
            writer.write_table(table)
    except _Fault as error:
        return {"fault": str(error), "column": error.column}
    except (MemoryError, pa.ArrowMemoryError):
        return _too_dear()
    except (pa.ArrowException, OSError, ValueError, KeyError, struct.error, IndexError, EOFError):
        return {"fault": f"expected a whole and sound {kind} body", "column": None}
    return {}


def _too_dear() -> dict[str, str | None]:
    room = f"{MAX_MEMORY_BYTES // 1024 // 1024} MiB and {MAX_SECONDS} s"
    return {"fault": f"expected a body that can be read within {room}", "column": None}


def _say(answer: dict[str, str | None]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


def _read_parquet(path: str) -> Any:
    with pa.memory_map(path) as body:
        file = pq.ParquetFile(body)
        _check_columns(file.schema_arrow)
        groups = [file.metadata.row_group(n) for n in range(file.metadata.num_row_groups)]
        size = sum(group.column(n).total_uncompressed_size for group in groups for n in range(group.num_columns))
        _check_size(max(file.metadata.num_rows, sum(group.num_rows for group in groups)), size)
        texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
        # Group by group: a footer can lie about its groups.
        reader = pq.ParquetFile(body, read_dictionary=texts)
        parts = (reader.read_row_group(n, use_threads=False) for n in range(len(groups)))
        return _plain(parts, file.schema_arrow)


def _read_arrow(path: str) -> Any:
    with pa.memory_map(path) as mapped:
        body = mapped.read_buffer()
        is_file = body[: len(ARROW_MAGIC)].to_pybytes() == ARROW_MAGIC
        _check_messages(_messages_of_file(body) if is_file else pa.ipc.MessageReader.open_stream(body))
        with pa.ipc.open_file(body) if is_file else pa.ipc.open_stream(body) as reader:
            _check_columns(reader.schema)
            given = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
            return _plain((pa.Table.from_batches([_sound(batch)]) for batch in given), reader.schema)


def _sound(batch: Any) -> Any:
    batch.validate()
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        _check_lengths(column, name)
    # Reads every text: a million views of one long one would take a minute.
    batch.validate(full=True)
    return batch


def _plain(parts: Iterable[Any], schema: Any) -> Any:
    """Join the parts, their texts as dictionaries of short ones, as long as there are not too many rows."""
    plain, rows = [], 0
    wanted = pa.schema([(field.name, TEXT if _is_text(field.type) else field.type) for field in schema])
    for part in parts:
        rows += part.num_rows
        _check_size(rows, 0)
        columns = [_short(part[name], name) if wanted.field(name).type == TEXT else part[name] for name in schema.names]
        plain.append(pa.Table.from_arrays(columns, schema=wanted))
    return pa.concat_tables(plain).unify_dictionaries() if plain else wanted.empty_table()


def _short(column: Any, name: str) -> Any:
    chunks = []
    for chunk in column.chunks:
        _check_lengths(chunk, name)
        is_dictionary = pa.types.is_dictionary(chunk.type)
        chunks.append(chunk.cast(TEXT) if is_dictionary else chunk.cast(pa.string()).dictionary_encode())
    return pa.chunked_array(chunks, TEXT)


def _check_lengths(column: Any, name: str) -> None:
    texts = column.dictionary if pa.types.is_dictionary(column.type) else column
    if _is_text(column.type) and _longest(texts) > MAX_TEXT_BYTES:
        raise _Fault(f"texts of at most {MAX_TEXT_BYTES} bytes", name)


def _longest(texts: Any) -> int:
    if pa.types.is_string_view(texts.type):
        # A view is four numbers, the first its length.
        views = np.frombuffer(texts.buffers()[1], np.int32).reshape(-1, 4)
        return int(views[texts.offset : texts.offset + len(texts), 0].max(initial=0))
    return pc.max(pc.binary_length(texts)).as_py() or 0


def _check_columns(schema: Any) -> None:
    names = sorted(schema.names)
    if names not in (["session", "symbol", "value"], ["date", "symbol", "value"]):
        got = ", ".join(name[:20] for name in schema.names[:10])
        raise _Fault(f"the columns session (or date), symbol and value, got {got}")
    day, symbol, value = (schema.field(name).type for name in names)
    known = (pa.types.is_date, pa.types.is_timestamp, pa.types.is_integer, pa.types.is_float64, _is_text)
    if not any(of_kind(day) for of_kind in known):
        raise _Fault(f"dates, got {str(day)[:40]}", names[0])
    if not _is_text(symbol):
        raise _Fault(f"texts, got {str(symbol)[:40]}", "symbol")
    if not (value in {pa.float64(), pa.float32()} or pa.types.is_integer(value)):
        raise _Fault(f"numbers, got {str(value)[:40]}", "value")


def _is_text(kind: Any) -> bool:
    text = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(text) or pa.types.is_large_string(text) or pa.types.is_string_view(text))


def _check_size(rows: int, size: int) -> None:
    if rows > MAX_ROWS or size > MAX_BYTES:
        most = f"{MAX_ROWS:,} rows and {MAX_BYTES // 1024 // 1024} MiB uncompressed"
        raise _Fault(f"at most {most} in a request, got {rows:,} rows and {size:,} bytes")


def _messages_of_file(body: Any) -> Iterator[Any]:
    end = len(body) - len(ARROW_MAGIC) - 4
    footer = bytes(memoryview(body)[end - struct.unpack_from("<I", body, end)[0] : end])
    for field in BLOCKS:
        blocks = _follow(footer, struct.unpack_from("<I", footer)[0], field)
        for n in range(struct.unpack_from("<I", footer, blocks)[0] if blocks else 0):
            offset, metadata, size = BLOCK.unpack_from(footer, blocks + 4 + n * BLOCK.size)
            yield pa.ipc.read_message(body.slice(offset, metadata + size))


def _check_messages(messages: Iterable[Any]) -> None:
    for message in messages:
        if message.type not in {"record batch", "dictionary"}:
            continue
        content = message.metadata.to_pybytes()
        batch = _follow(content, struct.unpack_from("<I", content)[0], HEADER)
        if batch and message.type == "dictionary":
            batch = _follow(content, batch, DICTIONARY_DATA)
        if batch and _follow(content, batch, COMPRESSION):
            raise _Fault("Arrow without compression of its buffers; Parquet is the small way to send it")


def _follow(content: bytes, table: int, field: int) -> int:
    """Return where the table lies that a field of another one names, 0 where the field is not set (FlatBuffers)."""
    (back,) = struct.unpack_from("<i", content, table)
    fields = table - back
    (length,) = struct.unpack_from("<H", content, fields)
    place = 4 + 2 * field
    offset = struct.unpack_from("<H", content, fields + place)[0] if place < length else 0
    return table + offset + struct.unpack_from("<I", content, table + offset)[0] if offset else 0


if __name__ == "__main__":
    main()
