"""Reconciling: a ledger older than its journal, a journal older than its ledger, and commits that are not ours."""

import secrets
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from countersign.domain.attestation.records import OWNER_NAMESPACE
from countersign.domain.sessions import deadline
from countersign.domain.signals.payload import payload, signal_hash
from countersign.models.errors import ConflictError, RefusedError
from countersign.models.tables.attestation import JournalCommit, Seal
from countersign.models.tables.operations import AuditEntry, Notification
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.attestation.journal_repair import accept_journal, reset_journal, show_journal
from countersign.services.attestation.sealing import is_pending, seal_pending, sealing
from countersign.services.notifications.notifications import open_alerts
from countersign.services.signals.acceptance import Receipt
from countersign.services.signals.owner_signatures import SignedSubmission
from countersign.services.signals.submission import Submission, submit_each
from countersign.services.strategies.lifecycle import require_strategy
from countersign.services.verification.verify import verify_journal
from countersign.store.home import Home
from countersign.store.journal.signing import SigningKey, create_key, load_key
from countersign.store.ledger.facts import JOURNAL_HEAD, keep_fact
from tests.support.homes import Databases, copy_home, make_home
from tests.support.journals import check_journal, files_of, git
from tests.support.settling import settle_due
from tests.support.strategies import open_strategies, send
from tests.support.trading import trading

DAYS = trading().sessions
EARLY = deadline(DAYS[0], "open") - timedelta(hours=1)
Fork = Callable[[Home], Home]


@pytest.fixture
def fork(databases: Databases, tmp_path: Path) -> Fork:
    """Copy a home as a back-up of this moment would hold it."""
    count = iter(range(100))
    return lambda home: copy_home(databases, home, tmp_path / f"fork-{next(count)}")


@pytest.fixture
def begun(home: Home) -> Home:
    """A home with two strategies, a signal of each sealed."""
    open_strategies(home, EARLY, "alpha", "beta")
    send(home, DAYS[0], {"alpha": {"600001.SH": 0.5}, "beta": {"600001.SH": 0.25}}, EARLY)
    seal_pending(home, EARLY)
    return home


def submit(home: Home, minute: int, **weights: float) -> None:
    at = EARLY + timedelta(minutes=minute)
    send(home, DAYS[0], {slug: {"600001.SH": weight} for slug, weight in weights.items()}, at)


def submit_signed(home: Home, key: SigningKey, revision: int) -> None:
    """Submit a portfolio of its own for the strategy `keyed`, with a salt of its own, signed by its owner's key."""
    salt, weight = secrets.token_hex(16), f"0.{revision}"
    portfolio = f"600001.SH={weight}"
    hashed = signal_hash(payload("keyed", DAYS[0], revision, salt, portfolio))
    signed = SignedSubmission(revision, salt, key.sign(hashed.encode(), OWNER_NAMESPACE))
    with home.ledger.read() as db:
        owner = require_strategy(db, "keyed").owner_id
    frame = pl.DataFrame({"symbol": ["600001.SH"], "weight": [float(weight)]})
    sent = Submission("keyed", owner, DAYS[0], frame, EARLY + timedelta(minutes=revision), signed)
    [outcome] = submit_each(home.ledger, home.sessions, [sent])
    assert isinstance(outcome, Receipt), outcome


def with_journal_of(home: Home, newest: Home) -> Home:
    """Put a clone of another home's journal in place of this one's, as an operator would."""
    place = home.path / "journal"
    shutil.rmtree(place)
    git(home.path, "clone", "-q", "--bare", str(newest.path / "journal"), str(place))
    return home


def faults(home: Home) -> list[tuple[str, str]]:
    return [(str(fault.kind), fault.strategy) for fault in verify_journal(home.path / "journal").faults]


def matters(home: Home) -> list[str]:
    with home.ledger.read() as db:
        return [matter.kind for matter in open_alerts(db)]


def foreign(home: Home, message: str = "theirs") -> str:
    """Have somebody push a commit of their own into the journal; return its name."""
    clone = home.path / f"clone-{message}"
    git(home.path, "clone", "-q", str(home.path / "journal"), str(clone))
    (clone / "attestations").mkdir(exist_ok=True)
    (clone / "attestations" / f"{message}.json").write_text("{}\n")
    git(clone, "add", "-A")
    git(clone, "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-q", "-m", message)
    git(clone, "push", "-q", "origin", "main")
    return git(clone, "rev-parse", "HEAD").strip()


def test_an_older_ledger_adopts_the_journals_records_and_goes_on(begun: Home, fork: Fork) -> None:
    """Signals and a strategy in between, and a revision submitted anew before anybody looked: all one chain."""
    old = fork(begun)
    submit(begun, 1, alpha=0.1)
    submit(begun, 2, alpha=0.2, beta=0.3)
    open_strategies(begun, EARLY + timedelta(minutes=3), "gamma")
    submit(begun, 4, gamma=0.4)
    seal_pending(begun, EARLY + timedelta(minutes=5))
    restored = with_journal_of(old, begun)
    # The api is up before the sealer: this becomes revision 4, as the journal has a second and a third one.
    submit(restored, 6, alpha=0.6)
    outcome = seal_pending(restored, EARLY + timedelta(minutes=7))
    assert (outcome.sealed, is_pending(restored)) == (1, False)
    with restored.ledger.read() as db:
        slugs = {row.id: row.slug for row in db.exec(select(Strategy))}
        rows = db.exec(select(Signal).order_by(col(Signal.id))).all()
        found = [(slugs[row.strategy_id], row.revision, row.content_lost) for row in rows]
        told = {row.key for row in db.exec(select(Notification))}
    assert sorted(found) == [
        ("alpha", 1, False),
        ("alpha", 2, True),
        ("alpha", 3, True),
        ("alpha", 4, False),
        ("beta", 1, False),
        ("beta", 2, True),
        ("gamma", 1, True),
    ]
    assert "journal adopted" in told
    assert sum(key.startswith("content lost") for key in told) == 4
    assert sum(key.startswith("renumbered") for key in told) == 1
    submit(restored, 8, alpha=0.8, beta=0.9)
    assert seal_pending(restored, EARLY + timedelta(minutes=9)).sealed == 2
    assert faults(restored) == []
    assert matters(restored) == ["journal adopted"]


def test_a_signed_revision_whose_number_is_given_away_is_taken_out_and_told(
    home: Home, fork: Fork, tmp_path: Path
) -> None:
    """The strategy's key comes back with the journal; a signed revision keeps its number or goes, others move."""
    create_key(tmp_path)
    key = load_key(tmp_path)
    open_strategies(home, EARLY, "keyed", "plain")
    old = fork(home)
    with home.ledger.write() as db:
        require_strategy(db, "keyed").owner_key = key.public
    submit(home, 1, plain=0.5)
    for revision in (1, 2):
        submit_signed(home, key, revision)
    seal_pending(home, EARLY + timedelta(minutes=5))
    restored = with_journal_of(old, home)
    with restored.ledger.write() as db:
        require_strategy(db, "keyed").owner_key = key.public
    for revision in (1, 2, 3):
        submit_signed(restored, key, revision)
    submit(restored, 6, plain=0.75)
    with restored.ledger.read() as db:
        taken = db.exec(select(Signal.signal_hash).join(Strategy).where(Strategy.slug == "keyed")).all()
    assert seal_pending(restored, EARLY + timedelta(minutes=7)).sealed == 2
    with restored.ledger.read() as db:
        rows = db.exec(select(Strategy.slug, Signal.revision).join(Signal)).all()
        told = {row.key for row in db.exec(select(Notification))}
        kept = " ".join(db.exec(select(AuditEntry.detail).where(AuditEntry.action == "signal taken out")))
    assert sorted(rows) == [("keyed", 1), ("keyed", 2), ("keyed", 3), ("plain", 1), ("plain", 2)]
    assert {f"taken out {hashed}" for hashed in taken} & told == {f"taken out {hashed}" for hashed in taken[:2]}
    assert [hashed in kept for hashed in taken] == [True, True, False]
    assert faults(restored) == []


def test_a_key_given_after_the_back_up_comes_back_with_the_journal(home: Home, fork: Fork, tmp_path: Path) -> None:
    create_key(tmp_path)
    key = load_key(tmp_path)
    open_strategies(home, EARLY, "keyed")
    old = fork(home)
    with home.ledger.write() as db:
        require_strategy(db, "keyed").owner_key = key.public
    submit_signed(home, key, 1)
    seal_pending(home, EARLY + timedelta(minutes=5))
    restored = with_journal_of(old, home)
    seal_pending(restored, EARLY + timedelta(minutes=6))
    with pytest.raises(RefusedError, match="takes only signals that its owner_key signed"):
        submit(restored, 7, keyed=0.5)
    submit_signed(restored, key, 2)
    assert seal_pending(restored, EARLY + timedelta(minutes=8)).sealed == 1
    assert faults(restored) == []


def test_a_lost_signal_is_not_traded_and_is_named(fresh: Home, fork: Fork) -> None:
    with fresh.ledger.read() as db:
        slug = db.exec(select(Strategy.slug).order_by(col(Strategy.id))).first()
    assert slug
    seal_pending(fresh, EARLY)
    old = fork(fresh)
    now = deadline(DAYS[0], "open") - timedelta(minutes=1)
    for home in (fresh, old):
        home.clock.set(now)
    send(fresh, DAYS[0], {slug: {"600001.SH": 0.5}}, now)
    seal_pending(fresh, now)
    restored = with_journal_of(old, fresh)
    restored.clock.set(deadline(DAYS[-1], "close") + timedelta(hours=4))
    settle_due(restored, DAYS[0])
    seal_pending(restored, restored.clock.now())
    report = verify_journal(restored.path / "journal")
    named = {(str(fault.kind), fault.strategy) for fault in report.faults} - {("late", each) for each in report.gaps}
    assert ("missing_reveal", slug) in named
    assert {kind for kind, _ in named} <= {"missing_reveal", "late"}


def test_a_day_settled_again_in_a_restored_ledger_gets_the_journals_bytes(fresh: Home, fork: Fork) -> None:
    seal_pending(fresh, fresh.clock.now())
    old = fork(fresh)
    settle_due(fresh, DAYS[1])
    seal_pending(fresh, fresh.clock.now())
    tree = git(fresh.path / "journal", "rev-parse", "HEAD^{tree}")
    restored = with_journal_of(old, fresh)
    restored.clock.set(fresh.clock.now() + timedelta(hours=1))
    settle_due(restored, DAYS[1])
    assert seal_pending(restored, restored.clock.now()).disclosed == 2
    assert git(restored.path / "journal", "rev-parse", "HEAD^{tree}") == tree
    assert matters(restored) == []
    check_journal(restored)


@settings(max_examples=3)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=7), st.integers(0, 7))
def test_restored_at_any_moment_the_chain_holds(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, bool]], backup: int
) -> None:
    """The journal verifies and keeps every file, for any submissions and seals before and after the back-up."""
    folder = tmp_path_factory.mktemp("law")
    home = make_home(folder / "home", databases.ledger("sqlite"))
    open_strategies(home, EARLY, "aaa", "bbb", "ccc")
    old = copy_home(databases, home, folder / "old")
    for n, (letter, sealed_now) in enumerate(steps):
        submit(home, n, **{3 * letter: (n + 1) / 100})
        if sealed_now:
            seal_pending(home, EARLY + timedelta(minutes=n))
        if n == backup:
            shutil.rmtree(old.path)
            old = copy_home(databases, home, folder / "old")
    seal_pending(home, EARLY + timedelta(minutes=20))
    restored = with_journal_of(old, home) if steps else old
    for n, letter in enumerate("abc"):
        submit(restored, 30 + n, **{3 * letter: 0.9})
    assert seal_pending(restored, EARLY + timedelta(minutes=40)).sealed >= 3
    assert faults(restored) == []
    assert not is_pending(restored)
    before, after = files_of(home.path / "journal") if steps else {}, files_of(restored.path / "journal")
    assert before.items() <= after.items()


def test_a_journal_older_than_its_ledger_stops_sealing_until_it_is_accepted(begun: Home, fork: Fork) -> None:
    old = fork(begun)
    submit(begun, 1, alpha=0.1)
    seal_pending(begun, EARLY + timedelta(minutes=1))
    submit(begun, 2, alpha=0.2, beta=0.3)
    seal_pending(begun, EARLY + timedelta(minutes=2))
    newest = files_of(begun.path / "journal")
    with_journal_of(begun, old)
    submit(begun, 3, beta=0.4)
    with pytest.raises(ConflictError, match=r"lacks 2 commits .*countersign admin journal accept"):
        seal_pending(begun, EARLY + timedelta(minutes=3))
    assert matters(begun) == ["sealing stopped"]
    with pytest.raises(RefusedError, match="nothing lies on its branch"):
        reset_journal(begun, EARLY)
    done = accept_journal(begun, EARLY + timedelta(minutes=4))
    assert (done["lost_commits"], done["signals_to_seal"]) == (2, 3)
    assert seal_pending(begun, EARLY + timedelta(minutes=5)).sealed == 4
    assert newest.items() <= files_of(begun.path / "journal").items()
    assert (faults(begun), matters(begun)) == ([], [])
    check_journal(begun)
    with pytest.raises(RefusedError, match="lacks nothing"):
        accept_journal(begun, EARLY)


def test_a_newer_clone_in_its_place_makes_everything_well(begun: Home, fork: Fork) -> None:
    old = fork(begun)
    submit(begun, 1, alpha=0.1)
    seal_pending(begun, EARLY + timedelta(minutes=1))
    newest = fork(begun)
    with_journal_of(begun, old)
    with pytest.raises(ConflictError):
        seal_pending(begun, EARLY)
    with_journal_of(begun, newest)
    submit(begun, 2, alpha=0.2)
    assert seal_pending(begun, EARLY + timedelta(minutes=2)).sealed == 1
    assert (faults(begun), matters(begun)) == ([], [])
    check_journal(begun)


@pytest.mark.parametrize("crashed", [False, True])
def test_a_foreign_commit_is_never_built_upon(begun: Home, crashed: bool) -> None:
    """Pushed into `journal/` by hand, before or after a commit that the ledger has not heard of yet."""
    if crashed:
        submit(begun, 1, alpha=0.1)
        seal_pending(begun, EARLY + timedelta(minutes=1))
        _forget_the_newest_commit(begun)
    ours = git(begun.path / "journal", "rev-parse", "main").strip()
    theirs = foreign(begun)
    submit(begun, 2, beta=0.2)
    for _ in range(2):
        with pytest.raises(ConflictError, match=rf"{theirs} is not ours .*countersign admin journal reset"):
            seal_pending(begun, EARLY + timedelta(minutes=2))
    assert git(begun.path / "journal", "rev-parse", "main").strip() == theirs
    assert matters(begun) == ["sealing stopped"]
    assert "not ours" in show_journal(begun)["stopped"]
    assert reset_journal(begun, EARLY)["head"] == ours
    assert git(begun.path / "journal", "rev-parse", f"refs/kept/{theirs}").strip() == theirs
    assert seal_pending(begun, EARLY + timedelta(minutes=3)).sealed == (2 if crashed else 1)
    assert (faults(begun), matters(begun)) == ([], [])
    check_journal(begun)


def _forget_the_newest_commit(home: Home) -> None:
    """Leave the ledger as a death between the commit and its writing down leaves it."""
    head = git(home.path / "journal", "rev-parse", "main").strip()
    with home.ledger.write() as db:
        for seal in db.exec(select(Seal).where(Seal.commit_sha == head)):
            seal.commit_sha = None
            db.add(seal)
        db.flush()
        db.delete(db.get_one(JournalCommit, head))
        keep_fact(db, JOURNAL_HEAD, git(home.path / "journal", "rev-parse", "main~").strip())


def test_a_foreign_commit_while_a_sealer_works_is_seen_by_its_next_round(begun: Home) -> None:
    with sealing(begun) as sealer:
        foreign(begun)
        submit(begun, 1, alpha=0.1)
        with pytest.raises(ConflictError, match="not ours"):
            sealer.seal(EARLY + timedelta(minutes=1))
        reset = git(begun.path / "journal", "rev-parse", "main~").strip()
        git(begun.path / "journal", "update-ref", "refs/heads/main", reset)
        assert sealer.seal(EARLY + timedelta(minutes=1)).sealed == 1
    assert (faults(begun), matters(begun)) == ([], [])


def test_a_branch_that_was_moved_back_is_put_there_again(begun: Home) -> None:
    submit(begun, 1, alpha=0.1)
    seal_pending(begun, EARLY + timedelta(minutes=1))
    journal = begun.path / "journal"
    head, before = git(journal, "rev-parse", "main", "main~").split()
    git(journal, "update-ref", "refs/heads/main", before)
    submit(begun, 2, alpha=0.2)
    with pytest.raises(ConflictError, match=rf"moved back from {head}; .*journal reset"):
        seal_pending(begun, EARLY + timedelta(minutes=2))
    assert reset_journal(begun, EARLY)["head"] == head
    assert seal_pending(begun, EARLY + timedelta(minutes=2)).sealed == 1
    check_journal(begun)


def test_an_amended_commit_is_undone(begun: Home) -> None:
    head = git(begun.path / "journal", "rev-parse", "main").strip()
    clone = begun.path / "clone"
    git(begun.path, "clone", "-q", str(begun.path / "journal"), str(clone))
    git(clone, "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-q", "--amend", "-m", "other")
    git(begun.path / "journal", "fetch", "-q", "-f", str(clone), "+HEAD:refs/heads/main")
    with pytest.raises(ConflictError, match="not ours"):
        seal_pending(begun, EARLY)
    assert reset_journal(begun, EARLY)["head"] == head
    submit(begun, 1, alpha=0.1)
    assert seal_pending(begun, EARLY + timedelta(minutes=1)).sealed == 1
    check_journal(begun)


def test_while_the_branch_stays_nothing_is_asked_of_git(begun: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with sealing(begun) as sealer, monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        assert sealer.seal(EARLY).commits == ()
