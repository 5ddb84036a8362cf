"""Bodies that are small and become large: for each the api's process takes no more memory than for a good one."""

import io
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.exceptions import RequestValidationError

from countersign.api.requests.column_bodies import ColumnReader
from countersign.deployments.orchestration.server import free_port
from countersign.deployments.supervision.parts import wait_until_ready
from countersign.deployments.web import api_part
from countersign.store.home import Home
from tests.support.factors import FILE, PARQUET, STREAM, open_one, send
from tests.support.serving import NO_AUTHORITIES, join
from tests.support.waiting import PATIENCE_SECONDS

MEBIBYTE = 1024 * 1024
ROWS = 5_000_000
LONG = "x" * 640
# 5,000,000 rows of the longest text allowed would take this, besides the memory that the process needs anyhow.
ROOM = 320 * MEBIBYTE


def days(rows: int) -> Any:
    return pa.array(np.full(rows, 20_000, np.int32)).cast(pa.date32())


def table(symbols: Any, day: Any = None) -> Any:
    rows = len(symbols)
    columns = {"date": days(rows) if day is None else day, "symbol": symbols, "value": pa.array(np.zeros(rows))}
    return pa.table(columns)


def repeated(text: str, rows: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array([text]))


def overlapping(rows: int) -> Any:
    """Views of one long text: 16 bytes each, however long the text."""
    views = np.zeros((rows, 4), np.int32)
    views[:, 0], views[:, 1] = MEBIBYTE, int.from_bytes(b"xxxx", "little")
    return pa.Array.from_buffers(pa.string_view(), rows, [None, pa.py_buffer(views), pa.py_buffer(b"x" * MEBIBYTE)])


def parquet(given: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(given, sink, compression="zstd")
    return sink.getvalue()


def arrow(given: Any, kind: str) -> bytes:
    sink = io.BytesIO()
    with (pa.ipc.new_file if kind == FILE else pa.ipc.new_stream)(sink, given.schema) as writer:
        writer.write_table(given)
    return sink.getvalue()


BOMBS: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "a long symbol in every row of a Parquet": (PARQUET, "symbol", lambda: parquet(table(repeated(LONG, ROWS)))),
    "a long day in every row of a Parquet": (
        PARQUET,
        "date",
        lambda: parquet(table(repeated("600000.SH", ROWS), repeated(LONG, ROWS))),
    ),
    "a long symbol in every row of a stream": (
        STREAM,
        "symbol",
        lambda: arrow(table(repeated(LONG, 1_500_000)), STREAM),
    ),
    "a long symbol in every row of a file": (FILE, "symbol", lambda: arrow(table(repeated(LONG, 1_500_000)), FILE)),
    "views of one long symbol": (STREAM, "symbol", lambda: arrow(table(overlapping(1_000_000)), STREAM)),
    "more rows than are taken": (PARQUET, "", lambda: parquet(table(repeated("600000.SH", ROWS + 1)))),
    "runs of one symbol": (
        STREAM,
        "symbol",
        lambda: arrow(table(pa.RunEndEncodedArray.from_arrays(pa.array([9]), pa.array([LONG]))), STREAM),
    ),
    "lists of symbols": (STREAM, "symbol", lambda: arrow(table(pa.array([[LONG]])), STREAM)),
}


@pytest.fixture(scope="module")
def process(lab: Home) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """The api of the lab in a process of its own."""
    part = api_part(lab.path, port=free_port())
    child = part.start()
    try:
        assert wait_until_ready(part, child)
        with httpx.Client(base_url=f"{part.url}/api/v1", timeout=PATIENCE_SECONDS, verify=NO_AUTHORITIES) as client:
            yield client, psutil.Process(child.identity.pid)
    finally:
        child.stop(PATIENCE_SECONDS)


def peak_bytes(process: psutil.Process) -> int:
    """The most memory that a process has held."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux keeps the peak of a process")
def test_bombs_are_refused_before_they_go_off(lab: Home, process: tuple[httpx.Client, psutil.Process]) -> None:
    web, api = process
    mine = join(lab, web)
    factor = open_one(web, mine)
    before = api.memory_info().rss
    for name, (kind, field, make) in BOMBS.items():
        answer = send(web, mine, factor, make(), kind)
        assert answer.status_code == 422, name
        (fault,) = answer.json()["detail"]
        assert fault["loc"] == (["body", field] if field else ["body"]), (name, fault)
        assert peak_bytes(api) - before < ROOM, name
    good = parquet(table(pa.array(["600000.SH"])))
    assert send(web, mine, factor, good, PARQUET).status_code == 200


@pytest.fixture
def reader() -> Iterator[ColumnReader]:
    """A reader that has begun."""
    made = ColumnReader()
    made.read(PARQUET, parquet(table(pa.array(["600000.SH"]))))
    yield made
    made.close()


def process_of(reader: ColumnReader) -> int:
    assert reader._process is not None
    return reader._process.pid


def test_a_body_that_would_take_too_much_memory_is_refused(reader: ColumnReader) -> None:
    """The limit of memory holds for a body that passed the first checks, as one with a lying footer does."""
    resource.prlimit(process_of(reader), resource.RLIMIT_AS, (400 * MEBIBYTE, 400 * MEBIBYTE))
    body = parquet(table(pa.array(np.arange(3_000_000)).cast(pa.string())))
    with pytest.raises(RequestValidationError) as caught:
        reader.read(PARQUET, body)
    assert caught.value.errors()[0]["msg"] == "expected a body that can be read within 1536 MiB and 20 s"
    assert reader.read(PARQUET, parquet(table(pa.array(["600000.SH"])))).values.height == 1


def test_a_reader_that_was_killed_is_started_again(reader: ColumnReader) -> None:
    psutil.Process(process_of(reader)).kill()
    assert reader.read(PARQUET, parquet(table(pa.array(["600000.SH"])))).values.height == 1


def test_a_reader_ends_when_nobody_asks_any_more(reader: ColumnReader) -> None:
    found = psutil.Process(process_of(reader))
    reader.close()
    assert not found.is_running()
