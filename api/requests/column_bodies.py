"""Parquet and Arrow bodies of factor values: columns `session` or `date`, `symbol`, `value`, a row a value.

They are read by another process, `api.requests.column_reader`, which is started for the first and ends with this one.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import polars as pl
import pyarrow as pa

import countersign
from countersign.api.requests.column_reader import PARQUET
from countersign.api.requests.value_bodies import Body, fault
from countersign.domain.factors.values import UPLOAD_SCHEMA
from countersign.domain.tables import Day, Table, clean
from countersign.models.errors import InputError

# Null is let through: domain.factors.values refuses it, and says which dates there may be.
DAYS = Table("factor values", {"session": Day(nullable=True)}, key=("session",))
KINDS = (PARQUET, "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file")
ROOT = Path(countersign.__file__).resolve().parents[1]
# The system's allocator reserves no addresses ahead; others do, and the limit would count them.
ENVIRONMENT = {"ARROW_DEFAULT_MEMORY_POOL": "system", "PYTHONPATH": str(ROOT)}


class ColumnReader:
    """Has bodies read, one at a time. A reader that has ended is started again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def read(self, kind: str, body: bytes) -> Body:
        """Read a body of one of `KINDS`; a faulty one is refused with its fault."""
        with tempfile.TemporaryDirectory(prefix="countersign-") as folder:
            taken, table = Path(folder) / "body", Path(folder) / "table"
            taken.write_bytes(body)
            answer = self._ask({"kind": kind, "body": str(taken), "table": str(table)})
            if "fault" in answer:
                where = (answer["column"],) if answer["column"] else ()
                fault(*where, expected=str(answer["fault"]))
            with pa.OSFile(str(table)) as source, pa.ipc.open_file(source) as reader:
                return _frame(reader.read_all())

    def close(self) -> None:
        """End the reader."""
        with self._lock:
            self._end()

    def _ask(self, question: dict[str, str]) -> dict[str, str | None]:
        with self._lock:
            for _ in range(2):  # one that ended meanwhile is known by its silence
                process = self._process = self._process or _start()
                with suppress(OSError, ValueError):
                    assert process.stdin is not None  # noqa: S101 - both are pipes
                    assert process.stdout is not None  # noqa: S101
                    process.stdin.write(json.dumps(question) + "\n")
                    process.stdin.flush()
                    answer: dict[str, str | None] = json.loads(process.stdout.readline())
                    return answer
                self._end()
        raise OSError("the reader of uploads ends as soon as it is asked")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(OSError):
                process.communicate()  # closes its input, at which it ends


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, "-m", "countersign.api.requests.column_reader"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | ENVIRONMENT,
    )


def _frame(table: pa.Table) -> Body:
    day = "date" if "date" in table.column_names else "session"
    frame: pl.DataFrame = pl.from_arrow(table)  # type: ignore[assignment]
    texts = [name for name, kind in frame.schema.items() if kind == pl.Categorical]
    frame = frame.cast(dict.fromkeys(texts, pl.String)).rename({day: "session"}).select(*UPLOAD_SCHEMA)
    if frame.is_empty():
        fault(expected="expected at least one value")
    try:
        session = clean(frame.select("session"), DAYS)["session"]
    except InputError as error:
        fault(day, expected=f"expected {error.expected} of day, got {error.got}")
    frame = frame.with_columns(session).cast(pl.Schema(UPLOAD_SCHEMA))
    return Body(frame, lambda found: (day if found.field == "date" else found.field,))
