"""A home with a portfolio of two factors, admitted on the market of tests.support.factors, before its last sessions."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from countersign.domain.sessions import at
from countersign.models.datasets import BARS, INDEX_LEVELS
from countersign.models.enums import FactorUniverse, Universe
from countersign.models.tables.accounts import User
from countersign.models.tables.factors import Factor, FactorTerms
from countersign.models.tables.portfolios import PortfolioTerms
from countersign.models.timetable import TIMETABLE
from countersign.services.factors.lifecycle import open_factor
from countersign.services.factors.validation import validate
from countersign.services.factors.values import put_values
from countersign.services.market.closes import Closes
from countersign.services.portfolios.lifecycle import activate_portfolio, add_member, open_portfolio
from countersign.services.strategies.lifecycle import ensure_user
from countersign.store.home import Home
from countersign.store.market import stage_sessions
from tests.support.factors import market_of

LATER = 5
NAMES = ("first", "second")
SLOTS = {slot.stage: slot for slot in TIMETABLE}


@dataclass(frozen=True)
class Lab:
    """Names in a home of factors; `later` are the sessions with bars after the factors were admitted."""

    owner: int
    factors: dict[str, str]
    portfolio: str
    slug: str
    later: tuple[date, ...]


def later_days(home: Home) -> list[date]:
    """The last sessions of the market."""
    return sorted(market_of(home).bars["session"].unique())[-LATER:]


def prepare(home: Home) -> Lab:
    """Upload, validate and activate in the evening of the session before the last ones; all bars are there."""
    later = later_days(home)
    before = home.sessions.previous(later[0])
    assert before is not None
    home.clock.set(at(before, SLOTS["watchdog"].at))
    put_market(home)
    with home.ledger.write() as db:
        owner = ensure_user(db, "ann", home.clock.now())
    factors = {name: admit(home, owner, name, before) for name in NAMES}
    now = home.clock.now()
    with home.ledger.write() as db:
        portfolio = open_portfolio(db, owner, PortfolioTerms(name="both", universe=FactorUniverse.HS300, top_n=5), now)
        for factor in factors.values():
            add_member(db, portfolio, factor, now)
        strategy = activate_portfolio(db, portfolio, owner, now)
    return Lab(owner.id, factors, portfolio.id, strategy.slug, tuple(later))


def put_market(home: Home) -> None:
    """Bring the bars, with limits that let trade, and levels of every index."""
    bars = market_of(home).bars.with_columns(limit_up=pl.col("close") * 1.1, limit_down=pl.col("close") * 0.9)
    days = bars["session"].unique().sort()
    levels = pl.concat(
        pl.DataFrame({"index": [str(name)] * len(days), "session": days, "close": [100.0] * len(days)})
        for name in Universe
    )
    files = stage_sessions(home.lake, BARS, bars) + stage_sessions(home.lake, INDEX_LEVELS, levels)
    with home.ledger.write() as db:
        home.lake.commit(db, files, home.clock.now())


def admit(home: Home, owner: User, name: str, through: date) -> str:
    """Open a factor, upload its values up to a session, validate it; it must pass."""
    with home.ledger.write() as db:
        terms = FactorTerms(name=name, universe=FactorUniverse.HS300)
        factor = open_factor(db, owner, terms, home.clock.now())
    upload(home, owner.id, factor.id, name, date.min, through)
    done = validate(home.lake, home.sessions, Closes(home.lake), owner.id, factor.id, home.clock.now())
    assert done.status == "active", done.reject_reason
    return factor.id


def upload(home: Home, owner_id: int, factor_id: str, name: str, since: date, through: date) -> None:
    """Upload a factor's values of the sessions from one to another, at the home's time."""
    values = market_of(home).values[name].rename({"date": "session"})
    values = values.filter(pl.col("session").is_between(since, through)).sort("session", "symbol")
    put_values(home.lake, home.sessions, owner_id, factor_id, values, home.clock.now())


def factor_of(home: Home, lab: Lab, name: str) -> Factor:
    """A factor's row of the ledger."""
    with home.ledger.read() as db:
        return db.get_one(Factor, lab.factors[name])
