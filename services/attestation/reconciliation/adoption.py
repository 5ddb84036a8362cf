"""Adoption: records that the journal has and the ledger lacks are added to the ledger, in the order of the chains.

A seal holds all but the content, which is taken from its reveal if the journal has one and is lost otherwise.
Signals that the ledger received since it was restored, and that are in no commit, come after the adopted ones: they get
new ids, and the next revision where theirs is taken (`services/attestation/reconciliation/renumbering.py`). Sealed and
claimed signals are not changed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session, col, func, select

from countersign.domain.attestation.record_reader import SealRecord, Terms, read_reveal, read_seal, read_terms
from countersign.domain.attestation.records import REVEALS, SEALS, SETTLEMENTS, STRATEGIES, TIMESTAMPS
from countersign.models.enums import ExecutionPrice, StrategyStatus, Universe
from countersign.models.tables.accounts import UNCLAIMED
from countersign.models.tables.attestation import JournalCommit, JournalConflict, Seal, Timestamp
from countersign.models.tables.operations import OPERATOR, AuditEntry
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy, StrategyTerms
from countersign.services.attestation.reconciliation.comparison import Addition, NewCommit
from countersign.services.attestation.reconciliation.renumbering import move_behind
from countersign.services.notifications.notifications import notify
from countersign.services.strategies.lifecycle import change_status, ensure_user, open_strategy
from countersign.store.home import Home
from countersign.store.journal.git_commands import read_batch
from countersign.store.journal.timestamp_tokens import Authorities
from countersign.store.ledger.copies import count_on

ADOPTED, CONTENT_LOST = "journal adopted", "content lost"
KINDS = {SEALS: "seal", SETTLEMENTS: "reveal", REVEALS: "reveal", TIMESTAMPS: "timestamps"}


@dataclass(frozen=True)
class _Found:
    """A seal of the journal with its commit and, where the journal reveals it, salt and portfolio."""

    seal: SealRecord
    commit: str
    path: str
    content: tuple[str, str] | None


def adopt(home: Home, db: Session, commits: Sequence[NewCommit], now: datetime) -> None:
    """Add the records of these commits to the ledger, within the caller's transaction; notify owners and operator."""
    for commit in commits:
        if db.get(JournalCommit, commit.sha) is None:
            db.add(JournalCommit(sha=commit.sha, kind=_kind(commit), committed_at=commit.committed_at))
    db.flush()
    files = _read(home, commits)
    strategies = _adopt_strategies(db, files, now)
    adopted = _adopt_seals(db, strategies, list(_seals(files)), now)
    tokens = _adopt_tokens(db, files)
    lost = [signal for signal in adopted if signal.content_lost]
    slugs = {strategy.id: strategy for strategy in strategies.values()}
    for signal in lost:
        strategy = slugs[signal.strategy_id]
        text = (
            f"{strategy.slug}, {signal.session}: the content of revision {signal.revision} was lost here, and only its"
            " seal is left. It will not be traded; submit again before the deadline for a new revision"
        )
        notify(db, f"{CONTENT_LOST} {signal.id}", CONTENT_LOST, text, now, strategy.owner_id)
    if adopted or tokens:
        text = (
            f"adopted from the journal: {len(adopted)} signals and {tokens} tokens of {len(commits)} commits that the"
            f" ledger did not know; the content of {len(lost)} signals is lost"
        )
        notify(db, ADOPTED, ADOPTED, text, now)
        db.add(AuditEntry(at=now, actor=OPERATOR, action="journal adopted", subject=commits[-1].sha, detail=text))


def _kind(commit: NewCommit) -> str:
    folders = {addition.path.split("/", 1)[0] for addition in commit.additions}
    return next((kind for folder, kind in KINDS.items() if folder in folders), "other")


def _read(home: Home, commits: Sequence[NewCommit]) -> list[tuple[Addition, bytes]]:
    wanted = {SEALS, REVEALS, STRATEGIES, TIMESTAMPS}
    files = [each for commit in commits for each in commit.additions if each.path.split("/", 1)[0] in wanted]
    if not files:
        return []
    said = home.journal.git("cat-file", "--batch", given="".join(f"{file.blob}\n" for file in files).encode())
    return [(file, content) for file, (_, content) in zip(files, read_batch(said), strict=True)]


def _of(files: Iterable[tuple[Addition, bytes]], folder: str) -> Iterator[tuple[Addition, bytes]]:
    return (each for each in files if each[0].path.startswith(f"{folder}/"))


def _adopt_strategies(db: Session, files: Sequence[tuple[Addition, bytes]], now: datetime) -> dict[str, Strategy]:
    """Open the strategies that the ledger lacks; return those of the files, by slug, whose terms are the journal's."""
    found = dict[str, Strategy]()
    terms = [each for file, content in _of(files, STRATEGIES) if (each := _terms(file, content))]
    for each in sorted(terms, key=lambda each: each.created_at):
        known = db.exec(select(Strategy).where(Strategy.slug == each.strategy)).one_or_none()
        found[each.strategy] = known or _open(db, each, now)
        if found[each.strategy].status == StrategyStatus.PENDING:
            # Given after the back-up was made, and final since the seal that the journal has.
            found[each.strategy].owner_key = each.owner_key
    slugs = {each.seal.strategy for each in _seals(files)} - found.keys()
    found |= {row.slug: row for row in db.exec(select(Strategy).where(col(Strategy.slug).in_(slugs)))}
    other = {each.strategy for each in terms if not _same_terms(found[each.strategy], each)}
    return {slug: strategy for slug, strategy in found.items() if slug not in other}


def _terms(file: Addition, content: bytes) -> Terms | None:
    try:
        return read_terms(file.path, content)
    except ValueError:  # no record of ours: sealing reports a conflict at its path
        return None


def _open(db: Session, terms: Terms, now: datetime) -> Strategy:
    owner = ensure_user(db, UNCLAIMED, now)
    owner.disabled_at = owner.disabled_at or now
    chosen = StrategyTerms(
        slug=terms.strategy,
        name=terms.strategy,
        universe=Universe(terms.universe),
        execution_price=ExecutionPrice(terms.execution_price),
        holding_period=terms.holding_period,
        initial_capital=terms.initial_capital,
        commission_rate=terms.commission_rate,
        slippage_rate=terms.slippage_rate,
        owner_key=terms.owner_key,
    )
    return open_strategy(db, owner, chosen, terms.created_at)


def _same_terms(strategy: Strategy, terms: Terms) -> bool:
    names = [name for name in Terms.__slots__ if name != "strategy"]
    return all(getattr(strategy, name) == getattr(terms, name) for name in names)


def _seals(files: Sequence[tuple[Addition, bytes]]) -> Iterator[_Found]:
    """Read the seals, each strategy's in the order of its chain."""
    contents = dict[str, tuple[str, str]]()
    for file, content in _of(files, REVEALS):
        try:
            reveal = read_reveal(file.path, content)
        except ValueError:
            continue
        contents[reveal.hashed] = reveal.salt, reveal.portfolio
    by_commit: dict[str, list[_Found]] = defaultdict(list)
    for file, content in _of(files, SEALS):
        try:
            seal = read_seal(file.path, content)
        except ValueError:
            continue
        by_commit[file.commit].append(_Found(seal, file.commit, file.path, contents.get(seal.signal_hash)))
    for found in by_commit.values():
        chains: dict[str, dict[str, _Found]] = defaultdict(dict)
        for each in found:
            chains[each.seal.strategy][each.seal.previous] = each
        for chain in chains.values():
            hashes = {each.seal.signal_hash for each in chain.values()}
            previous = next((name for name in chain if name not in hashes), None)
            while previous in chain:
                each = chain.pop(previous)
                yield each
                previous = each.seal.signal_hash


def _adopt_seals(db: Session, strategies: dict[str, Strategy], found: Sequence[_Found], now: datetime) -> list[Signal]:
    """Insert the seals that the ledger lacks; return the signals that are new to it."""
    unclaimed = _unclaimed(db)
    fresh = list[tuple[_Found, Strategy]]()
    for each in found:
        strategy = strategies.get(each.seal.strategy)
        if strategy is None:
            _set_aside(db, each, now)
            continue
        known = _revision(db, strategy.id, each.seal.session, each.seal.revision)
        if known is None or (known.signal_hash != each.seal.signal_hash and known.id in unclaimed):
            fresh.append((each, strategy))
        elif known.signal_hash != each.seal.signal_hash:
            _set_aside(db, each, now, strategy.id)
        elif unclaimed.pop(known.id, None):
            seal = Seal(signal_id=known.id, strategy_id=strategy.id, previous=each.seal.previous)
            seal.commit_sha = each.commit
            db.add(seal)
    if not fresh:
        return []
    top = db.exec(select(func.max(Signal.id))).one() or 0
    taken = [(strategy, each.seal.session, each.seal.revision) for each, strategy in fresh]
    move_behind(db, list(unclaimed.values()), taken, top + len(fresh), CONTENT_LOST, now)
    signals = []
    for n, (each, strategy) in enumerate(fresh, 1):
        signals.append(_signal(top + n, each, strategy))
        db.add(signals[-1])
        if strategy.status == StrategyStatus.PENDING:
            change_status(db, strategy, StrategyStatus.ACTIVE, each.seal.received_at, actor=OPERATOR)
    db.flush()
    for signal, (each, strategy) in zip(signals, fresh, strict=True):
        seal = Seal(signal_id=signal.id, strategy_id=strategy.id, previous=each.seal.previous, commit_sha=each.commit)
        db.add(seal)
    db.flush()
    count_on(db, Signal.__table__)  # type: ignore[attr-defined]
    return signals


def _signal(number: int, found: _Found, strategy: Strategy) -> Signal:
    seal, (salt, portfolio) = found.seal, found.content or ("", "")
    return Signal(
        id=number,
        strategy_id=strategy.id,
        session=seal.session,
        revision=seal.revision,
        portfolio=portfolio,
        symbols_count=seal.symbols_count,
        salt=salt,
        signal_hash=seal.signal_hash,
        received_at=seal.received_at,
        deadline=seal.deadline,
        owner_signature=seal.owner_signature,
    )


def _unclaimed(db: Session) -> dict[int, Signal]:
    newest = db.exec(select(func.max(Seal.signal_id))).one() or 0
    query = select(Signal).where(col(Signal.id) > newest).order_by(col(Signal.id))
    return {signal.id: signal for signal in db.exec(query)}


def _revision(db: Session, strategy_id: int, session: date, revision: int) -> Signal | None:
    ours = (Signal.strategy_id == strategy_id, Signal.session == session, Signal.revision == revision)
    return db.exec(select(Signal).where(*ours)).one_or_none()


def _set_aside(db: Session, found: _Found, now: datetime, strategy_id: int | None = None) -> None:
    if strategy_id is None:
        strategy_id = db.exec(select(Strategy.id).where(Strategy.slug == found.seal.strategy)).one_or_none()
    if strategy_id is not None and db.get(JournalConflict, found.path) is None:
        db.add(JournalConflict(path=found.path, strategy_id=strategy_id, found_at=now))


def _adopt_tokens(db: Session, files: Sequence[tuple[Addition, bytes]]) -> int:
    """Insert the timestamp tokens; return how many were new."""
    count = 0
    for file, content in _of(files, TIMESTAMPS):
        name = file.path.rpartition("/")[2].removesuffix(".tsr")
        sha, _, authority = name.partition(".")
        stamp = Authorities().check(content, None)
        if stamp.stamped_at is None or db.get(JournalCommit, sha) is None:
            continue
        ours = (Timestamp.commit_sha == sha, Timestamp.authority == authority)
        known = db.exec(select(Timestamp).where(*ours)).one_or_none()
        count += known is None
        row = known or Timestamp(commit_sha=sha, authority=authority, stamped_at=stamp.stamped_at, token=content)
        # The journal's token came first: it is the one that counts.
        row.stamped_at, row.token, row.stored_sha = stamp.stamped_at, content, file.commit
        db.add(row)
    return count
