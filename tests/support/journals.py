"""A journal looked at from outside: a clone, git's own checks, and plain JSON against the ledger's signals.

Nothing here is taken from the code under test but the ledger's rows: records, paths and hashes are made anew.
"""

import hashlib
import json
import os
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlmodel import select

from countersign.models.datasets import DATASETS
from countersign.models.tables.attestation import Disclosure, JournalCommit, Retirement, Seal, Timestamp
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.attestation.sealing import seal_pending
from countersign.store.home import Home


def git(repository: Path, *arguments: str, check: bool = True) -> str:
    """Run git as anybody would."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", str(repository), *arguments],
        capture_output=True,
        text=True,
        check=check,
        env=kept | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
    )
    return done.stdout


def files_of(repository: Path) -> dict[str, bytes]:
    """Return every file of a journal's newest commit, from a fresh clone."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        git(Path(folder), "clone", "-q", str(repository), str(clone))
        paths = [path for path in clone.rglob("*") if path.is_file() and ".git" not in path.relative_to(clone).parts]
        return {path.relative_to(clone).as_posix(): path.read_bytes() for path in paths}


def check_journal(home: Home, *, sealed: bool = True) -> None:
    """Check everything that the journal promises; with `sealed`, that nothing of the ledger waits either."""
    repository = home.path / "journal"
    git(repository, "fsck", "--strict", "--full")
    check_signatures(repository)
    with home.ledger.read() as db:
        signals = db.exec(select(Signal).order_by(Signal.id)).all()  # type: ignore[arg-type]
        strategies = {row.id: row for row in db.exec(select(Strategy))}
        seals = {row.signal_id: row.commit_sha for row in db.exec(select(Seal))}
        commits = {row.sha: row for row in db.exec(select(JournalCommit))}
        settlements = {row.id: row for row in db.exec(select(Settlement))}
        disclosures = list(db.exec(select(Disclosure)))
        ends = {row.strategy_id: row.commit_sha for row in db.exec(select(Retirement))}
        tokens = [row for row in db.exec(select(Timestamp)) if row.stored_sha]
    if sealed:
        assert {row.id for row in signals} == {key for key, sha in seals.items() if sha}
        assert {row.settlement_id for row in disclosures} == set(settlements)
    added, times = history(repository)
    files = files_of(repository) if times else {}
    expected: set[str] = set()
    newest: dict[int, str] = {}
    for row in signals:
        sha = seals.get(row.id)
        if sha is None:
            continue
        strategy = strategies[row.strategy_id]
        path = f"{place('attestations', row.session, strategy.slug)}.{row.revision}.json"
        expected |= {path, f"strategies/{shard(strategy.slug)}/{strategy.slug}.json"}
        assert files[path] == written(seal_of(home, row, strategy, newest.get(strategy.id, "")))
        newest[strategy.id] = row.signal_hash
        assert added[path] == sha
        assert commits[sha].committed_at.timestamp() == times[sha] >= row.received_at.timestamp()
    for disclosure in disclosures:
        day = settlements[disclosure.settlement_id]
        record = f"settlements/{day.session.year}/{day.session}.{day.version}.json"
        expected |= {record, *check_reveals(files, day, signals, strategies)}
        assert added[record] == disclosure.commit_sha
        check_settled(home, json.loads(files[record]), day)
    for strategy_id, sha in ends.items():
        strategy = strategies[strategy_id]
        path = f"retirements/{shard(strategy.slug)}/{strategy.slug}.json"
        expected.add(path)
        assert added[path] == sha
        check_end(home, json.loads(files[path]), strategy, [settlements[row.settlement_id] for row in disclosures])
    expected |= {f"timestamps/{row.commit_sha[:2]}/{row.commit_sha}.{row.authority}.tsr" for row in tokens}
    assert set(files) == expected | ({"README.md", "allowed_signers", "clock.json"} if files else set())


def check_signatures(repository: Path) -> None:
    """Let git check the signature of every commit against the key that the newest one holds."""
    if not git(repository, "for-each-ref"):
        return
    with tempfile.NamedTemporaryFile("w") as signers:
        signers.write(git(repository, "show", "HEAD:allowed_signers"))
        signers.flush()
        setting = f"gpg.ssh.allowedSignersFile={signers.name}"
        assert set(git(repository, "-c", setting, "log", "--format=%G? %GS").splitlines()) == {"G countersign"}


def history(repository: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Return the commit that added each file, and the committer time of each commit.

    No file was ever changed, but for the list of keys that may sign.
    """
    if not git(repository, "for-each-ref"):
        return {}, {}
    added: dict[str, str] = {}
    times: dict[str, int] = {}
    sha = ""
    for line in git(repository, "log", "--reverse", "--name-status", "--no-renames", "--format=%H %ct").splitlines():
        words = line.split()
        if len(words) == 2 and len(words[0]) == 40:
            sha, times[words[0]] = words[0], int(words[1])
        elif words:
            if words == ["M", "allowed_signers"]:
                continue
            assert words[0] == "A", line
            added[words[1]] = sha
    return added, times


def seal_of(home: Home, row: Signal, strategy: Strategy, previous: str) -> dict[str, Any]:
    return {
        "schema": "countersign/seal/v1",
        "strategy": strategy.slug,
        "session": f"{row.session}",
        "revision": row.revision,
        "signal_hash": row.signal_hash,
        "symbols_count": row.portfolio.count(" ") + 1,
        "universe": strategy.universe,
        "execution_price": strategy.execution_price,
        "received_at": stamp(row.received_at),
        "deadline": stamp(row.deadline),
        "previous": previous,
        "simulated": home.clock.kind == "simulated",
    }


def check_reveals(files: dict[str, bytes], day: Settlement, signals: Any, strategies: dict[int, Strategy]) -> set[str]:
    found = set()
    for row in signals:
        if row.session != day.session:
            continue
        slug = strategies[row.strategy_id].slug
        path = f"{place('reveals', row.session, slug)}.{row.revision}.json"
        found.add(path)
        reveal = json.loads(files[path])
        weights = [dict(zip(("symbol", "weight"), item.split("="), strict=True)) for item in row.portfolio.split(" ")]
        payload = {"revision": row.revision, "salt": row.salt, "session": f"{row.session}", "signals": weights}
        assert reveal == {
            "schema": "countersign/reveal/v1",
            "signal_hash": row.signal_hash,
            "payload": payload | {"strategy": slug},
        }
        text = b"countersign/signal/v1\n" + written(reveal["payload"])[:-1]
        assert hashlib.sha256(text).hexdigest() == row.signal_hash
        assert files[path] == written(reveal)
    return found


def check_settled(home: Home, record: dict[str, Any], day: Settlement) -> None:
    """Hold the record of a settled day against the lake, read file by file."""
    nav = home.lake.read(DATASETS["nav"], day.session)
    assert [row["strategy"] for row in record["strategies"]] == sorted(nav["strategy"])
    assert record["manifest"] == json.loads(day.manifest)
    assert (record["session"], record["version"]) == (f"{day.session}", day.version)
    assert (record["manifest_sha256"], record["settled_at"]) == (day.manifest_sha256, stamp(day.settled_at))
    for row in record["strategies"]:
        ((worth, cash, event),) = nav.filter(strategy=row["strategy"]).select("nav", "cash", "event").rows()
        assert (row["nav"], row["cash"], row["event"]) == (f"{worth:.2f}", f"{cash:.2f}", event)
        for name in ("orders", "positions"):
            rows = home.lake.read(DATASETS[name], day.session).filter(strategy=row["strategy"])
            assert row[f"{name}_sha256"] == hashlib.sha256(rows.write_csv().encode()).hexdigest()


def check_end(home: Home, record: dict[str, Any], strategy: Strategy, days: list[Settlement]) -> None:
    """Hold the record of a strategy's end against the lake: its last NAV, of the version that is disclosed."""
    assert strategy.retired_at
    said = (record["schema"], record["strategy"], record["retired_at"], record["simulated"])
    assert said == (
        "countersign/retirement/v1",
        strategy.slug,
        stamp(strategy.retired_at),
        home.clock.kind == "simulated",
    )
    last = max((day.session for day in days if settled_nav(home, day.session, strategy.slug)), default=None)
    if last is None:
        assert (record["session"], record["version"], record["nav"]) == ("", 0, "")
    else:
        version = max(day.version for day in days if day.session == last)
        assert (record["session"], record["version"]) == (f"{last}", version)
        assert record["nav"] == settled_nav(home, last, strategy.slug)


def settled_nav(home: Home, session: Any, slug: str) -> str:
    """The NAV of a strategy at a session, "" where it was not settled."""
    navs = home.lake.read(DATASETS["nav"], session).filter(strategy=slug)["nav"].to_list()
    return f"{navs[0]:.2f}" if navs else ""


def written(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def shard(slug: str) -> str:
    return hashlib.sha256(slug.encode()).hexdigest()[:2]


def place(folder: str, session: Any, slug: str) -> str:
    return f"{folder}/{session.year}/{session}/{shard(slug)}/{slug}"


def seal_in_a_process(path: Path, url: str, now: datetime) -> None:
    """Seal in a process of its own."""
    seal_pending(Home(path, url, path / "lake"), now)
