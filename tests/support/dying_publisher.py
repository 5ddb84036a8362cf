"""Publishes again and again, killed at the first step, then at the second, and so on; checks the home after each.

    python -m tests.support.dying_publisher HOME

Steps are the calls in STEPS. Each publication runs in a child process, so that kill -9 is real; nothing but imports
happens before the forks. Prints the steps it was killed at.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import date
from functools import partial
from itertools import count
from pathlib import Path
from types import FrameType

from countersign.models.lens.tables import LENS_TABLES
from countersign.services.publication import file, seals, snapshot
from countersign.services.publication import publish as lens
from countersign.services.publication.publish import FOLDER, KEPT_VERSIONS, publish, rebuild
from countersign.store.home import Home
from countersign.store.lens.reader import open_lens
from countersign.store.lens.versions import LINK
from tests.support.settled import make_home, settle, weekdays

LENS_MODULES = {module.__file__ for module in (lens, file, seals, snapshot)}
OWN_HELPERS = {
    "_quote",
    "_select",
    "_definition",
    "_files",
    "_frame",
    "_versions",
    "current_version",
    "<listcomp>",
    "<genexpr>",
    "<setcomp>",
    "<dictcomp>",
}
WRITERS = {"copyfile", "rename", "symlink_to", "unlink", "sync_folder"}
DAYS = weekdays(200)


def in_child(work: Callable[[], None]) -> int:
    """Run in a child process; return its exit code, negative for a signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def publish_dying(home: Home, step: int) -> None:
    """Publish, and die on reaching a step."""
    seen: list[str] = []

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        name = frame.f_code.co_name
        own = frame.f_code.co_filename in LENS_MODULES and name not in OWN_HELPERS
        if event == "call" and (own or name in WRITERS):
            seen.append(name)
            if len(seen) == step:
                os.write(2, f"{name}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)
    publish(home)
    sys.setprofile(None)


def check(home: Home, days: list[date]) -> None:
    """The lens shows the sessions before this one, or this one too; publishing brings it up to date and cleans up."""
    before = sessions(home)
    assert before in (days[:-1], days), before
    publish(home)
    assert sessions(home) == days
    left = sorted(path.name for path in (home.path / FOLDER).iterdir())
    assert len(left) <= KEPT_VERSIONS
    assert not [name for name in left if not name[0].isdigit()]
    assert (home.path / LINK).readlink().name == left[-1]


def check_whole(home: Home) -> None:
    """Check that the lens published through all deaths equals a lens made from nothing."""
    publish(home)
    shown = content(home)
    rebuild(home)
    whole = content(home)
    assert shown == whole, {name: (rows[:2], whole[name][:2]) for name, rows in shown.items() if rows != whole[name]}


def content(home: Home) -> dict[str, list[tuple[object, ...]]]:
    with open_lens(home.path) as opened, opened.use() as db:
        names = [table.name for table in LENS_TABLES]
        return {name: db.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in names}


def sessions(home: Home) -> list[date]:
    with open_lens(home.path) as opened, opened.use() as db:
        nav, positions = (
            [row[0] for row in db.execute(f"SELECT DISTINCT session FROM {table} ORDER BY 1").fetchall()]  # noqa: S608
            for table in ("nav", "positions")
        )
    assert nav == positions
    return nav


def main(path: Path) -> None:
    def begin() -> None:
        home = make_home(path)
        settle(home, DAYS[0])
        publish(home)
        settle(home, DAYS[1])

    assert in_child(begin) == 0
    home = Home(path, f"sqlite:///{path / 'ledger.db'}", path / "lake")
    for n in count(1):
        days = DAYS[: n + 1]
        code = in_child(partial(publish_dying, home, n))

        def check_and_go_on(days: list[date] = days, after: date = DAYS[n + 1]) -> None:
            check(home, days)
            settle(home, after)

        assert in_child(check_and_go_on) == 0, f"killed at step {n}"
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert in_child(partial(check_whole, home)) == 0
    print(n - 1)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
