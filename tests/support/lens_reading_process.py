"""A process that reads a home's lens until a file `stop` appears, then prints its reads' count and contents.

python -m tests.support.lens_reading_process HOME
"""

import json
import sys
from pathlib import Path

from countersign.store.lens.reader import Lens, open_lens


def read_until_stopped(lens: Lens, home: Path) -> dict[str, int]:
    """Read over and over. Every look must see whole sessions, the same in each table, and no fewer than before."""
    reads, versions, newest = 0, set(), 0
    while not (home / "stop").exists():
        with lens.use() as db:
            counts = [
                db.execute(f"SELECT count(DISTINCT session), count(*) FROM {table}").fetchall()[0]  # noqa: S608
                for table in ("nav", "positions", "settlements")
            ]
            versions.add(db.execute("SELECT version FROM internal.publication").fetchall()[0])
        sessions = {found for found, _ in counts}
        assert len(sessions) == 1, counts
        (count,) = sessions
        assert [rows for _, rows in counts] == [3 * count, 15 * count, count]
        assert count >= newest
        newest, reads = count, reads + 1
    return {"reads": reads, "versions": len(versions), "newest": newest}


if __name__ == "__main__":
    path = Path(sys.argv[1])
    with open_lens(path) as opened:
        print(json.dumps(read_until_stopped(opened, path)))  # noqa: T201
