"""Our own signals in the stream: once they are settled, in their order, corrected, and never those that are hidden."""

from pathlib import Path

import httpx

from countersign.domain.sessions import deadline
from countersign.services.strategies.lifecycle import require_strategy
from countersign.store.home import Home
from tests.support.correcting import change_bars, correct_session
from tests.support.feeds import enter
from tests.support.homes import Databases, disposed, make_home
from tests.support.serving import join
from tests.support.settling import settle_session
from tests.support.streaming import bring, increasing, listening, numbers, streaming
from tests.support.trading import expected, fill, trading
from tests.support.waiting import PATIENCE_SECONDS


def test_our_own_signals_come_once_they_are_settled_and_hidden_ones_never(
    sqlite_ledgers: Databases, tmp_path: Path
) -> None:
    plan = trading()
    with disposed(sqlite_ledgers.ledger("sqlite")) as database:
        home = make_home(tmp_path / "home", database)
        fill(home)
        source, hidden = enter(home, "feed", "https://feed.example"), min(plan.weights[0])
        with home.ledger.write() as db:
            require_strategy(db, hidden).is_public = False
        with (
            streaming(home, page=3) as (url, _),
            httpx.Client(base_url=f"{url}/api/v1", timeout=PATIENCE_SECONDS) as web,
        ):
            me = join(home, web)
            with listening(url, me) as mine:
                bring(home, source, 1)
                begun = mine.take(1)
                assert numbers(begun) == [1]  # nothing of our own came before it
                for n, session in enumerate(plan.sessions[:2]):
                    settle_session(home, session)
                    wanted = own_events(n, hidden)
                    events = mine.take(len(wanted))
                    assert [
                        (each.data["model"], each.data["symbol"], each.data["signal"], each.data["weight"])
                        for each in events
                    ] == wanted
                    assert {each.data["session"] for each in events} == {session.isoformat()}
                    assert all(each.data["time"] < deadline(session, "close").timestamp() for each in events)
                bring(home, source, 2)
                assert numbers(mine.take(1)) == [2]
            corrections_come_complete(home, source, url, me, hidden=hidden, since=begun[0].id)


def corrections_come_complete(
    home: Home, source: int, url: str, me: dict[str, str], hidden: str, since: str | None
) -> None:
    """A correction shows nothing until all that rests on it is settled again; then all of it, as events of their own.

    `since` is where the first two sessions, which are settled, begin.
    """
    first, second = trading().sessions[:2]
    wanted = [
        (session.isoformat(), slug, symbol)
        for n, session in enumerate((first, second))
        for slug, symbol, _, _ in own_events(n, hidden)
    ]
    with listening(url, me) as mine:
        change_bars(home, first)
        assert correct_session(home, first, stop_after=1)
        bring(home, source, 3)
        assert numbers(mine.take(1)) == [3]
        settle_session(home, second)
        corrected = mine.take(len(wanted))
        bring(home, source, 4)
        assert numbers(mine.take(1)) == [4]
    assert [(each.data["session"], each.data["model"], each.data["symbol"]) for each in corrected] == wanted
    assert {each.data["version"] for each in corrected} == {2}
    with listening(url, me, since=since) as again:
        everything = again.take(3 + 2 * len(wanted))
    assert [each.data for each in everything[-len(wanted) :]] == [each.data for each in corrected]
    assert increasing(everything)


def own_events(n: int, hidden: str) -> list[tuple[str, str, int, float]]:
    """Events by the engine, called directly: one for each symbol that was wanted or ordered, by strategy and symbol."""
    orders = {
        (row["strategy"], row["symbol"]): (1 if row["side"] == "buy" else -1) if row["filled"] > 0 else 0
        for row in expected()[n].orders.iter_rows(named=True)
    }
    weights = {slug: dict(each) for slug, each in trading().weights[n].items() if slug != hidden}
    keys = {(slug, symbol) for slug, each in weights.items() for symbol in each}
    keys |= {key for key in orders if key[0] in weights}
    return [
        (slug, symbol, orders.get((slug, symbol), 0), weights[slug].get(symbol, 0.0)) for slug, symbol in sorted(keys)
    ]
