"""Listings and delistings that went into a settled day, held against a list of instruments that the reader has. Pure.

A listing that never was lifts a price limit; a delisting that never was turns a holding into cash at a price of
somebody's choice. Neither shows in the bars alone.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from countersign.domain.attestation.manifest_tables import Delisting, Listing
from countersign.domain.market.rules import MOST_FREE_SESSIONS

Value = tuple[float | None, str | None, float | None]
UNKNOWN: Value = (None, None, None)


class Published(NamedTuple):
    """An instrument in the reader's list: first day of trading, first day without, and what a share was exchanged for.

    The value is CNY for one share, a successor's symbol, and its shares for one; None: the list does not say.
    """

    listed: date | None
    delisted: date | None
    value: Value


def read_published(instruments: pl.DataFrame) -> dict[str, Published]:
    """Return instruments (domain.market.listings.INSTRUMENTS_SCHEMA) by their symbols."""
    columns = ("symbol", "listed", "delisted", "delisting_cash", "successor", "successor_ratio")
    rows = instruments.select(columns).iter_rows()
    return {symbol: Published(listed, delisted, tuple(value)) for symbol, listed, delisted, *value in rows}


def other_listings(
    session: date,
    ours: Iterable[Listing],
    theirs: Mapping[str, Published],
    symbols: Collection[str],
    sessions: Sequence[date],
) -> list[str]:
    """Say of which of the symbols the listing in the journal (`ours`) is not that of the reader's list, with both.

    `sessions` are those that the reader knows, in order: the age of a listing is counted in them. A list that has the
    symbol without the day of its listing says nothing.
    """
    journal = {symbol: (listed, age) for symbol, listed, age in ours}
    told = []
    for symbol in sorted(symbols):
        mine, said = journal.get(symbol), theirs.get(symbol)
        if said is not None and said.listed is None:
            continue
        listed = said.listed if said else None
        if mine is None:
            wrong = listed is not None and sessions[0] <= listed <= session and _is_new(listed, session, sessions)
        else:
            wrong = listed is None or not _is_same(mine, listed, session, sessions)
        if wrong:
            in_journal = f"listed {mine[0]}" if mine else "no new listing"
            if mine and mine[0] == listed:
                in_journal += f", in its session {mine[1]}"
            in_list = f"listed {listed}" if listed else "nothing"
            told.append(f"{symbol}: {in_journal} in the journal, {in_list} in the instruments given")
    return told


def other_delistings(
    session: date, ours: Iterable[Delisting], theirs: Mapping[str, Published], held: Collection[str]
) -> list[str]:
    """Say of which holdings the delisting in the journal (`ours`), or its value, is not that of the reader's list.

    A list that has the delisting without its value says nothing of the value.
    """
    journal: dict[str, Value] = {symbol: (cash, successor, ratio) for symbol, cash, successor, ratio in ours}
    told = []
    for symbol in sorted(held):
        said = theirs.get(symbol)
        gone = said is not None and said.delisted is not None and said.delisted <= session
        given = said.value if said and gone else UNKNOWN
        if (symbol in journal) == gone and given in (UNKNOWN, journal.get(symbol)):
            continue
        in_journal = f"delisted for {_worth(journal[symbol])}" if symbol in journal else "not delisted"
        in_list = "nothing" if said is None else "not delisted"
        if said and said.delisted:
            in_list = f"delisted {said.delisted} for {_worth(said.value)}"
        told.append(f"{symbol}: {in_journal} in the journal, {in_list} in the instruments given")
    return told


def _is_same(mine: tuple[date, int], listed: date, session: date, sessions: Sequence[date]) -> bool:
    """Whether a listing is the list's. A day without a session is the next session's."""
    age = _age(listed, session, sessions)
    if listed < sessions[0]:  # there may be sessions before those that the reader knows
        return mine[0] == listed and mine[1] >= age
    return bisect_left(sessions, mine[0]) == bisect_left(sessions, listed) and mine[1] == age


def _is_new(listed: date, session: date, sessions: Sequence[date]) -> bool:
    return 1 <= _age(listed, session, sessions) <= MOST_FREE_SESSIONS


def _age(listed: date, session: date, sessions: Sequence[date]) -> int:
    """Count the sessions from a listing to a session, both inclusive."""
    return bisect_right(sessions, session) - bisect_left(sessions, listed)


def _worth(value: Value) -> str:
    cash, successor, ratio = value
    if successor is not None:
        return f"{ratio:g}*{successor}" if cash is None else f"{cash:g} CNY and {ratio:g}*{successor}"
    return "a value not known" if cash is None else f"{cash:g} CNY"
