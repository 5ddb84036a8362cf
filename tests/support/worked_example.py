"""The worked example of the settlement rules as a journal made by hand: the text of each file is written down here.

Two sessions of two strategies. alpha changes its mind once and rebalances in both sessions; beta takes the same first
portfolio, to another hash, and says nothing for the second session.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from countersign.domain.market.rules import rules_sha256
from tests.support.handmade_journal import Handmade, sha256, utc

FIRST, SECOND = "2025-01-02", "2025-01-03"
WEIGHTS = {"600000.SH": "0.5", "600519.SH": "0.1", "688001.SH": "0.4"}
LATER = {"600000.SH": "0.2"}
BARS = """\
symbol,session,open,high,low,close,volume,amount,adj_factor,suspended,limit_up,limit_down,is_st
600000.SH,{0},10.0,10.2,10.0,10.2,1000000.0,,,,,,
600519.SH,{0},1500.0,1505.0,1500.0,1505.0,1000000.0,,,,,,
688001.SH,{0},50.0,51.0,50.0,51.0,1000000.0,,,,,,
"""
ORDERS = "strategy,session,symbol,side,wanted,filled,price,notional,commission,stamp_duty,reason\n"
POSITIONS = "strategy,session,symbol,quantity,close,market_value,adj_factor\n"
BOUGHT = """\
{0},2025-01-02,600000.SH,buy,50000.0,50000.0,10.02,501000.00,150.30,0.00,
{0},2025-01-02,600519.SH,buy,66.66666666666667,0.0,,0.00,0.00,0.00,BELOW_LOT
{0},2025-01-02,688001.SH,buy,8000.0,8000.0,50.1,400800.00,120.24,0.00,
"""
SOLD = """\
alpha,2025-01-03,600000.SH,sell,30100.0,30100.0,9.98,300398.00,90.12,150.20,
alpha,2025-01-03,688001.SH,sell,8000.0,8000.0,49.9,399200.00,119.76,199.60,
"""
HELD = "{0},{1},600000.SH,50000.0,10.2,510000.00,\n{0},{1},688001.SH,8000.0,51.0,408000.00,\n"
LEFT = "alpha,2025-01-03,600000.SH,19900.0,10.2,202980.00,\n"

Step = Callable[[Handmade], object]


def bars_csv() -> str:
    """The bars as a file, with a session before the first one settled."""
    header, *_ = BARS.split("\n", 1)
    return header + "\n" + "".join(BARS.format(day).split("\n", 1)[1] for day in ("2024-12-31", FIRST, SECOND))


def result(slug: str, nav: str, cash: str, event: str, orders: str, positions: str) -> dict[str, Any]:
    return {
        "strategy": slug,
        "nav": nav,
        "cash": cash,
        "paused": False,
        "event": event,
        "orders_sha256": sha256((ORDERS + orders).encode()),
        "positions_sha256": sha256((POSITIONS + positions).encode()),
    }


def results(session: str) -> list[dict[str, Any]]:
    """Rows of alpha and beta in the settled day."""
    if session == FIRST:
        return [
            result(slug, "1015929.46", "97929.46", "REBALANCE", BOUGHT.format(slug), HELD.format(slug, FIRST))
            for slug in ("alpha", "beta")
        ]
    return [
        result("alpha", "999947.78", "796967.78", "REBALANCE", SOLD, LEFT),
        result("beta", "1015929.46", "97929.46", "HOLD", "", HELD.format("beta", SECOND)),
    ]


def open_first(journal: Handmade) -> None:
    journal.terms("alpha", utc("2025-01-01 12:00"))
    journal.seal("alpha", FIRST, LATER, utc("2025-01-02 09:00"))


def open_second(journal: Handmade) -> None:
    journal.terms("beta", utc("2025-01-01 12:00"))
    journal.seal("alpha", FIRST, WEIGHTS, utc("2025-01-02 09:04"), revision=2)
    journal.seal("beta", FIRST, WEIGHTS, utc("2025-01-02 09:04"))


def settle_first(journal: Handmade) -> None:
    journal.reveal("alpha", FIRST, LATER)
    journal.reveal("alpha", FIRST, WEIGHTS, revision=2)
    journal.reveal("beta", FIRST, WEIGHTS)
    settle(journal, FIRST)


def next_day(journal: Handmade) -> None:
    journal.seal("alpha", SECOND, LATER, utc("2025-01-03 09:00"))


def settle_second(journal: Handmade) -> None:
    journal.reveal("alpha", SECOND, LATER)
    settle(journal, SECOND)


def settle(journal: Handmade, session: str, days: list[dict[str, Any]] | None = None, **changes: Any) -> None:
    bars = sha256(BARS.format(session).encode())
    at = utc(f"{session} 18:15")
    journal.settle(
        session,
        days if days is not None else results(session),
        bars,
        rules_sha256(date.fromisoformat(session)),
        at,
        **changes,
    )


STEPS: dict[str, tuple[str, Step]] = {
    "open first": ("2025-01-02 09:01", open_first),
    "open second": ("2025-01-02 09:05", open_second),
    "settle first": ("2025-01-02 18:16", settle_first),
    "next day": ("2025-01-03 09:01", next_day),
    "settle second": ("2025-01-03 18:16", settle_second),
}


def worked_example(
    folder: Path,
    *,
    instead: Mapping[str, Step] | None = None,
    at: Mapping[str, str] | None = None,
    order: Iterable[str] = tuple(STEPS),
    signers: str | None = None,
) -> Handmade:
    """Make the journal; a step can be done otherwise, at another time, in another order, or not at all."""
    journal = Handmade.make(folder, signers)
    for name in order:
        when, step = STEPS[name]
        (instead or {}).get(name, step)(journal)
        journal.commit(utc((at or {}).get(name, when)), name)
    return journal
