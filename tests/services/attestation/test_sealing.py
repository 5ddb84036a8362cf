"""Sealing: the journal gets every signal of the ledger, once, in order, through every failure on the way."""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from math import ceil
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from countersign.domain.attestation.records import seal_path, settled_path
from countersign.domain.sessions import deadline
from countersign.models.errors import LeaseError, StoreError
from countersign.models.tables.attestation import JournalCommit, Seal
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.attestation.sealing import is_pending, seal_pending, sealing
from countersign.services.notifications.notifications import open_alerts
from countersign.services.signals.evidence import read_attestations
from countersign.services.verification.verify import verify_journal
from countersign.store.home import Home
from countersign.store.ledger.facts import JOURNAL_HEAD, keep_fact
from countersign.store.ledger.ledger import Ledger
from tests.support import processes
from tests.support.crashing import die_at, no_space_for
from tests.support.homes import Databases, copy_home, make_home
from tests.support.journals import check_journal, check_signatures, files_of, git, history, seal_in_a_process
from tests.support.settling import settle_session
from tests.support.strategies import open_strategies, send
from tests.support.trading import trading

DAYS = trading().sessions
EARLY = deadline(DAYS[0], "open") - timedelta(hours=1)


def tree_of(home: Home) -> str:
    return git(home.path / "journal", "rev-parse", "HEAD^{tree}")


def commits_of(home: Home) -> int:
    return len(git(home.path / "journal", "log", "--format=%H").split())


def test_a_traded_home_is_sealed_and_disclosed_whole(settled: Home) -> None:
    assert is_pending(settled)
    outcome = seal_pending(settled, settled.clock.now())
    with settled.ledger.read() as db:
        signals = db.exec(select(Signal.id)).all()
    assert (outcome.sealed, outcome.disclosed) == (len(signals), len(DAYS))
    # All that waited is one commit; each settled session is one more, and the end of the strategy that was retired.
    assert len(outcome.commits) == 1 + len(DAYS) + 1
    check_journal(settled)
    assert not is_pending(settled)
    assert seal_pending(settled, settled.clock.now()).commits == ()
    assert commits_of(settled) == len(outcome.commits)


def test_chains_grow_by_receipt_over_many_rounds(home: Home) -> None:
    open_strategies(home, EARLY, "alpha", "beta")
    rounds = [
        (DAYS[0], {"alpha": {"600001.SH": 0.5}}),
        (DAYS[2], {"alpha": {"600001.SH": 1.0}, "beta": {"000001.SZ": 0.05}}),
        (DAYS[0], {"alpha": {"600002.SH": 0.5}, "beta": {"600002.SH": 1e-5}}),
        (DAYS[1], {"beta": {"600002.SH": 0.25}}),
    ]
    for n, (session, weights) in enumerate(rounds):
        now = EARLY + timedelta(minutes=n, microseconds=n)
        send(home, session, weights, now)
        seal_pending(home, now)
    assert commits_of(home) == len(rounds)
    check_journal(home)


@settings(max_examples=8)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.booleans()), max_size=8))
def test_any_interleaving_of_submitting_and_sealing_gives_one_journal(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, bool]]
) -> None:
    """Sealed in rounds or all at once, the files are the same to the byte; only the commits differ."""
    home = make_home(tmp_path_factory.mktemp("law") / "home", databases.ledger("sqlite"))
    open_strategies(home, EARLY, "aaa", "bbb", "ccc")
    for n, (letter, day, sealed_now) in enumerate(steps):
        now = EARLY + timedelta(minutes=n)
        send(home, DAYS[day], {3 * letter: {"600001.SH": round(0.01 * (n + 1), 2)}}, now)
        if sealed_now:
            seal_pending(home, now)
    seal_pending(home, EARLY + timedelta(minutes=59))
    check_journal(home)
    once = copy_home(databases, home, tmp_path_factory.mktemp("law") / "home")
    with once.ledger.write() as db:
        for table in (Seal, JournalCommit):
            db.connection().execute(sa.delete(table))
        keep_fact(db, JOURNAL_HEAD, None)
    shutil.rmtree(once.path / "journal")
    once.journal.create()
    seal_pending(once, EARLY + timedelta(minutes=59))
    assert (tree_of(once) == tree_of(home)) if steps else not commits_of_nothing(once)


def commits_of_nothing(home: Home) -> str:
    return git(home.path / "journal", "for-each-ref")


@pytest.mark.slow
def test_killed_between_any_two_steps_the_next_round_completes_it(
    fresh: Home, databases: Databases, tmp_path: Path
) -> None:
    settle_session(fresh, DAYS[0])
    now = fresh.clock.now()
    whole = copy_home(databases, fresh, tmp_path / "whole")
    seal_pending(whole, now)
    wanted = tree_of(whole)
    sqlite = fresh.database_url.startswith("sqlite")

    def attempt(step: int) -> int | None:
        home = copy_home(databases, fresh, tmp_path / f"killed-{step}")
        code = processes.run(die_at, step, seal_in_a_process, home.path, home.database_url, now)
        # Killed again while it recovers.
        processes.run(die_at, step % 7 + 1, seal_in_a_process, home.path, home.database_url, now)
        seal_pending(home, now)
        assert tree_of(home) == wanted, step
        assert not is_pending(home)
        if step % 4 == 0:
            check_journal(home)
        Ledger(home.database_url).engine.dispose()
        return code

    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(attempt, range(1, 61, 1 if sqlite else 12)))
    assert set(codes) == {processes.KILLED, 0}
    assert codes == sorted(codes, key=lambda code: code == 0)


def test_left_over_locks_of_dead_gits_are_broken(fresh: Home) -> None:
    journal = fresh.path / "journal"
    locks = [journal / name for name in ("index.lock", "HEAD.lock", "refs/heads/main.lock", "packed-refs.lock")]
    for lock in locks:
        lock.touch()
    (journal / "objects" / "pack" / "tmp_pack_x1").write_bytes(b"half")
    seal_pending(fresh, fresh.clock.now())
    assert not any(lock.exists() for lock in locks)
    check_journal(fresh)


def test_a_lock_whose_git_may_live_is_left_alone(fresh: Home) -> None:
    journal = fresh.path / "journal"
    (journal / "refs" / "heads" / "main.lock").touch()
    with subprocess.Popen(["git", "cat-file", "--batch"], cwd=journal, stdin=subprocess.PIPE) as alive:
        with pytest.raises(LeaseError, match=str(alive.pid)):
            seal_pending(fresh, fresh.clock.now())
        alive.kill()
    seal_pending(fresh, fresh.clock.now())
    check_journal(fresh)


def test_one_sealer_at_a_time(fresh: Home) -> None:
    with sealing(fresh) as sealer:
        with pytest.raises(LeaseError, match="seal: held by process"):
            seal_pending(fresh, fresh.clock.now())
        assert sealer.seal(fresh.clock.now()).sealed
    assert seal_pending(fresh, fresh.clock.now()).sealed == 0


@pytest.mark.parametrize("suffix", [".pack", ".idx"])
def test_a_full_disk_after_the_signals_were_claimed_loses_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    open_strategies(home, EARLY, "alpha", "beta")
    send(home, DAYS[0], {"alpha": {"600001.SH": 0.5}}, EARLY)
    seal_pending(home, EARLY)
    head = home.journal.head()
    send(home, DAYS[0], {"alpha": {"600001.SH": 0.25}, "beta": {"600001.SH": 0.5}}, EARLY)
    for _ in range(2):  # the second time, they wait as claimed already
        with monkeypatch.context() as patch, pytest.raises(StoreError, match=rf"{suffix}: No space left on device"):
            no_space_for(patch, suffix)
            seal_pending(home, EARLY)
        with home.ledger.read() as db:
            assert [row.commit_sha is None for row in db.exec(select(Seal).order_by("signal_id"))] == [
                False,
                True,
                True,
            ]
        assert home.journal.head() == head
        assert is_pending(home)
        check_journal(home, sealed=False)
    with sealing(home) as sealer:
        with monkeypatch.context() as patch, pytest.raises(StoreError):
            no_space_for(patch, suffix)
            sealer.seal(EARLY)
        outcome = sealer.seal(EARLY)
    assert (outcome.sealed, len(outcome.commits), commits_of(home)) == (2, 1, 2)
    assert not is_pending(home)
    check_journal(home)
    assert verify_journal(home.path / "journal").holds


def test_other_bytes_at_a_path_put_one_strategy_aside_and_nothing_is_overwritten(fresh: Home) -> None:
    path = next(p for p in sealed_paths(fresh) if p.startswith("attestations/"))
    slug = path.rpartition("/")[2].split(".")[0]
    now = fresh.clock.now()
    with fresh.journal.writing(simulated=True) as writer:
        writer.add({path: b"{}\n"}, "forged", now)
    with fresh.ledger.read() as db:
        strategies = {row.id: row.slug for row in db.exec(select(Strategy))}
    for n in range(2):
        assert bool(seal_pending(fresh, now).sealed) == (n == 0)
        assert not is_pending(fresh)
        with fresh.ledger.read() as db:
            unsealed = {strategies[row.strategy_id] for row in db.exec(select(Seal)) if not row.commit_sha}
            (matter,) = open_alerts(db)
        assert unsealed == {slug}
        assert (matter.kind, path in matter.text) == ("journal conflict", True)
    assert files_of(fresh.path / "journal")[path] == b"{}\n"
    assert commits_of(fresh) == 2


def test_a_settled_day_with_other_bytes_in_the_journal_is_set_aside(settled: Home) -> None:
    now, path = settled.clock.now(), settled_path(DAYS[1], 1)
    with settled.journal.writing(simulated=True) as writer:
        writer.add({path: b"{}\n"}, "forged", now)
    assert seal_pending(settled, now).disclosed == len(DAYS) - 1
    assert not is_pending(settled)
    assert seal_pending(settled, now).disclosed == 0
    kept = files_of(settled.path / "journal")
    assert kept[path] == b"{}\n"
    assert all(settled_path(day, 1) in kept for day in DAYS)


def sealed_paths(home: Home) -> list[str]:
    with home.ledger.read() as db:
        slugs = {row.id: row.slug for row in db.exec(select(Strategy))}
        return [seal_path(slugs[row.strategy_id], row.session, row.revision) for row in db.exec(select(Signal))]


def test_a_signal_that_is_claimed_cannot_be_deleted(fresh: Home) -> None:
    seal_pending(fresh, fresh.clock.now())
    with pytest.raises(IntegrityError), fresh.ledger.write() as db:
        db.delete(db.exec(select(Signal)).first())


def test_without_its_key_nothing_is_sealed_and_no_other_key_is_made(fresh: Home) -> None:
    seal_pending(fresh, fresh.clock.now())
    key = fresh.path / "keys" / "journal_ed25519"
    assert key.stat().st_mode & 0o777 == 0o600
    saved = key.read_bytes()
    key.unlink()
    fresh.create()
    settle_session(fresh, DAYS[0])
    with pytest.raises(StoreError, match="signing key is missing"):
        seal_pending(fresh, fresh.clock.now())
    key.write_bytes(saved)
    with pytest.raises(StoreError, match="chmod 600"):
        seal_pending(fresh, fresh.clock.now())
    key.chmod(0o600)
    assert seal_pending(fresh, fresh.clock.now()).disclosed == 1
    check_journal(fresh)


def test_another_key_than_the_journals_is_refused(fresh: Home) -> None:
    seal_pending(fresh, fresh.clock.now())
    (fresh.path / "keys" / "journal_ed25519").unlink()
    from countersign.store.journal.signing import create_key  # noqa: PLC0415

    create_key(fresh.path / "keys")
    with pytest.raises(StoreError, match="allowed_signers"):
        seal_pending(fresh, fresh.clock.now())


@pytest.mark.parametrize("simulated", [True, False])
def test_under_a_clock_that_steps_back_no_seal_is_older_than_its_receipt(home: Home, simulated: bool) -> None:
    """On the system clock no commit claims to be earlier than the one before; a simulated one may go where it likes."""
    open_strategies(home, EARLY, "alpha")
    send(home, DAYS[1], {"alpha": {"600001.SH": 0.5}}, EARLY)
    before = EARLY - timedelta(days=1, microseconds=1)
    if not simulated:
        object.__setattr__(home.clock, "kind", "system")
    seal_pending(home, EARLY + timedelta(seconds=3))
    send(home, DAYS[1], {"alpha": {"600001.SH": 0.6}}, before)
    seal_pending(home, before - timedelta(seconds=9))
    check_journal(home)
    with home.ledger.read() as db:
        # The ledger may have put the second receipt no earlier than the first; a seal is never older than a receipt.
        received = [row.received_at for row in db.exec(select(Signal).order_by(Signal.id))]  # type: ignore[arg-type]
    _, times = history(home.path / "journal")
    first = (EARLY + timedelta(seconds=3)).timestamp()
    assert list(times.values()) == [first, ceil(received[1].timestamp()) if simulated else first]


def test_the_ledger_tells_the_evidence_of_each_signal(fresh: Home) -> None:
    with fresh.ledger.read() as db:
        ids = list(db.exec(select(Signal.id)))
        assert {a.committed for a in read_attestations(db, ids).values()} == {False}
    seal_pending(fresh, fresh.clock.now())
    added, _ = history(fresh.path / "journal")
    with fresh.ledger.read() as db:
        shown = read_attestations(db, ids)
        rows = {row.id: row for row in db.exec(select(Signal))}
    assert set(shown) == set(ids)
    for signal_id, each in shown.items():
        assert (each.sha, each.pushed) == (added[each.path], False)
        # Sealed after the last session only, hours after every deadline.
        assert (each.time_class, each.evidence, each.tokens) == ("late", "server_only", ())
        assert each.margin_seconds == (rows[signal_id].deadline - rows[signal_id].received_at).total_seconds() > 0


def test_many_commits_stay_a_few_packs(databases: Databases, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", databases.ledger("sqlite"))
    with home.journal.writing(simulated=home.clock.simulated) as writer:
        for n in range(60):
            writer.add({f"{n}.json": b"{}\n"}, "add", EARLY + timedelta(seconds=n))
            writer.compact()
            assert len(list((home.path / "journal" / "objects" / "pack").glob("*.pack"))) <= 41
    assert len(files_of(home.path / "journal")) == 63
    check_signatures(home.path / "journal")
