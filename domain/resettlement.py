"""Settling again: every settled day of a journal from its revealed signals and the reader's own bars. Pure.

The state goes on from what was recomputed, not from what the journal says, so one wrong session shows in all that
follow; only the first of a strategy is told. Benchmarks are left out: no NAV depends on them.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

import polars as pl

from domain.attestation import strategy_sha256
from domain.books import BENCHMARKS_SCHEMA, SIGNALS_SCHEMA, TERMS_SCHEMA
from domain.claims import Records
from domain.journal import Fault, FaultKind
from domain.provenance import frame_sha256
from domain.quotes import ACTIONS_SCHEMA, next_marks
from domain.records import Result, Reveal, SettledDay
from domain.rules import RULES_SHA256
from domain.settlement import Settled, settle
from models.datasets import BARS, MARKS, NAV, POSITIONS
from models.errors import InputError


def resettle(records: Records, bars: pl.DataFrame) -> tuple[list[Fault], int]:
    """Settle the newest version of every day again; return what differs, and how many sessions could be compared.

    `bars` as models.datasets.BARS, of all sessions; those before the first settled day give its marks.
    """
    days = records.newest_days()
    signals = _counting(records)
    by_session = {key[0]: part for key, part in bars.partition_by("session", as_dict=True).items()}
    marks = first_marks(bars, days[0].session) if days else pl.DataFrame(schema=MARKS.schema)
    books, holdings = pl.DataFrame(schema=NAV.schema), pl.DataFrame(schema=POSITIONS.schema)
    faults: list[Fault] = []
    wrong: dict[str, tuple[Fault, list[date]]] = {}
    replayed = 0
    for day in days:
        session = str(day.session)
        here = by_session.get(day.session, bars.clear()).sort(BARS.sort)
        if frame_sha256(here) != day.bars_sha256:
            detail = "the bars given are not those it was settled with" if here.height else "no bars were given for it"
            faults.append(Fault(FaultKind.BARS_MISMATCH, detail, session=session))
        if day.rules_sha256 != RULES_SHA256:
            detail = "settled under another rule book than this program's"
            faults.append(Fault(FaultKind.RULES_MISMATCH, detail, session=session))
        if not here.height:
            break
        try:
            settled = settle(
                day.session,
                terms=_terms(records, day),
                books=books,
                holdings=holdings,
                signals=_signals(records, day, signals.get(day.session, ())),
                bars=here,
                marks=marks,
                actions=pl.DataFrame(list(day.actions), schema=ACTIONS_SCHEMA, orient="row"),
                benchmarks=pl.DataFrame(schema=BENCHMARKS_SCHEMA),
            )
        except InputError as error:
            faults.append(Fault(FaultKind.NAV_MISMATCH, f"cannot be settled again: {error}", session=session))
            break
        for slug, detail in _compare(day, settled).items():
            fault = Fault(FaultKind.NAV_MISMATCH, detail, strategy=slug, session=session)
            wrong.setdefault(slug, (fault, []))[1].append(day.session)
        books, holdings, marks = settled.nav, settled.positions, next_marks(day.session, marks, here)
        replayed += 1
    for fault, sessions in wrong.values():
        more = f" (and in {len(sessions) - 1} later sessions)" if len(sessions) > 1 else ""
        faults.append(Fault(fault.kind, fault.detail + more, strategy=fault.strategy, session=fault.session))
    return faults, replayed


def _counting(records: Records) -> dict[date, list[Reveal]]:
    """The signals that count: of each strategy and session the last revision, where it is the one that was sealed."""
    last: dict[tuple[str, date], int] = {}
    for slug, session, revision in records.seals:
        last[slug, session] = max(revision, last.get((slug, session), 0))
    counting = defaultdict(list)
    for (slug, session), revision in last.items():
        reveal, _ = records.reveals.get((slug, session, revision), (None, None))
        if reveal and reveal.hashed == records.seals[slug, session, revision][0].signal_hash:
            counting[session].append(reveal)
    return counting


def first_marks(bars: pl.DataFrame, session: date) -> pl.DataFrame:
    """The newest bar of each symbol before `session`, as settlement takes them where nothing was settled before."""
    earlier = bars.lazy().filter(pl.col("session") < session, pl.col("close") > 0).sort("session", "symbol")
    newest = earlier.group_by("symbol").agg(
        pl.col("session").last(),
        pl.col("session").last().alias("bar_session"),
        pl.col("close").last(),
        pl.col("adj_factor").drop_nulls().last(),
    )
    return newest.select(*MARKS.schema).sort(MARKS.sort).collect()


def _terms(records: Records, day: SettledDay) -> pl.DataFrame:
    rows = []
    for result in day.results:
        if result.strategy in records.terms:
            terms, _ = records.terms[result.strategy]
            rows.append((*(getattr(terms, name) for name in list(TERMS_SCHEMA)[:-1]), result.paused))
    return pl.DataFrame(rows, schema=TERMS_SCHEMA, orient="row")


def _signals(records: Records, day: SettledDay, reveals: Sequence[Reveal]) -> pl.DataFrame:
    settled = {result.strategy for result in day.results} & records.terms.keys()
    ours = [reveal for reveal in reveals if reveal.strategy in settled]
    return pl.DataFrame(
        {
            "strategy": [reveal.strategy for reveal in ours for _ in reveal.symbols],
            "symbol": [symbol for reveal in ours for symbol in reveal.symbols],
            "weight": pl.Series([weight for reveal in ours for weight in reveal.weights], dtype=pl.String),
        }
    ).cast(pl.Schema(SIGNALS_SCHEMA))


def _compare(day: SettledDay, settled: Settled) -> dict[str, str]:
    """What differs, by strategy: the NAV in fen, then cash, event, orders and positions."""
    again = settled.nav.select("strategy", pl.col("nav", "cash").cast(pl.String), "event")
    figures = {slug: (nav, cash, event) for slug, nav, cash, event in again.iter_rows()}
    slugs = [result.strategy for result in day.results]
    orders, positions = strategy_sha256(settled.orders, slugs), strategy_sha256(settled.positions, slugs)
    different = {}
    for result in day.results:
        detail = _difference(result, figures.get(result.strategy), orders, positions)
        if detail:
            different[result.strategy] = detail
    return different


def _difference(
    result: Result, again: tuple[str, str, str] | None, orders: dict[str, str], positions: dict[str, str]
) -> str:
    slug = result.strategy
    if again is None:
        return f"NAV {result.nav} in the journal; settled again it has none, having no signal"
    nav, cash, event = again
    if result.nav != nav:
        return f"NAV {result.nav} in the journal, {nav} settled again"
    pairs = {
        f"cash {result.cash} in the journal, {cash} settled again": result.cash == cash,
        f"{result.event} in the journal, {event} settled again": result.event == event,
        "the same NAV, but other orders": result.orders_sha256 == orders[slug],
        "the same NAV, but other positions": result.positions_sha256 == positions[slug],
    }
    return next((text for text, same in pairs.items() if not same), "")
