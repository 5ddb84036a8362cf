"""Inputs of an evaluation, read from ledger and lake."""

from datetime import date

import orjson
import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col

from countersign.domain.evaluation.metrics import CARRIED_SCHEMA, NAV_SCHEMA, STRATEGIES_SCHEMA, TRADING_SCHEMA
from countersign.domain.provenance import frame_sha256
from countersign.domain.sessions import EXCHANGE_ZONE
from countersign.models.datasets import BARS, EVALUATIONS, MONEY, NAV, ORDERS
from countersign.models.enums import DELISTED, ExecutionPrice
from countersign.models.tables.accounts import User
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.strategies import Strategy
from countersign.services.settlement.inputs import read_files
from countersign.store.lake.lake import Lake

TERMS_DIGITS = 8


def read_strategies(db: Session) -> pl.DataFrame:
    """Read every strategy ever opened, as evaluation takes it, with the price it trades at.

    The day it was opened is the exchange's.
    """
    query = sa.select(
        col(Strategy.slug),
        col(User.nickname),
        col(Strategy.initial_capital),
        col(Strategy.created_at),
        col(Strategy.execution_price),
    ).join(User, col(User.id) == col(Strategy.owner_id))
    rows = [
        (slug, owner, capital, created_at.astimezone(EXCHANGE_ZONE).date(), price)
        for slug, owner, capital, created_at, price in db.execute(query.order_by(col(Strategy.slug)))
    ]
    return pl.DataFrame(rows, schema={**STRATEGIES_SCHEMA, "execution_price": pl.String}, orient="row")


def name_run(history: str, strategies: pl.DataFrame, verdicts: pl.DataFrame, session: date) -> str:
    """Name an evaluation by its inputs: the settlements it rests on, the strategies opened by then, verdicts."""
    opened = strategies.filter(pl.col("opened") <= session)
    judged = verdicts.filter(pl.col("session") == session).sort("strategy")
    return history + frame_sha256(opened)[:TERMS_DIGITS] + frame_sha256(judged)[:TERMS_DIGITS]


def read_nav(lake: Lake, through: date) -> pl.DataFrame:
    """Read the NAV history through a session, as evaluation takes it; in no promised order."""
    return lake.scan(NAV, through=through).select(*NAV_SCHEMA).collect()


def read_carried(lake: Lake, session: date | None) -> pl.DataFrame:
    """Read the sums that an evaluated session leaves to the next; no rows without one."""
    if session is None:
        return pl.DataFrame(schema=CARRIED_SCHEMA)
    return lake.scan(EVALUATIONS, session, session).select(*CARRIED_SCHEMA).collect()


def read_trading(lake: Lake, settlement: Settlement, strategies: pl.DataFrame) -> pl.DataFrame:
    """Sum up the trades of each strategy in a settled session, and their costs: commission, duty and slippage.

    The exchange of a delisted holding is no trade. Slippage is filled × the amount by which the fill price is worse
    than the strategy's execution price, to the fen an order. That price comes from the bars the session was settled
    with, though they may have been corrected since.
    """
    session = settlement.session
    prices = read_files(lake, BARS, orjson.loads(settlement.manifest)["inputs"]["bars_files"])
    at_close = pl.col("execution_price") == ExecutionPrice.CLOSE
    slippage = ((pl.col("price") - pl.when(at_close).then("close").otherwise("open")) * pl.col("filled")).abs()
    fills = (
        lake.scan(ORDERS, session, session)
        .filter(pl.col("filled") > 0, pl.col("reason").ne_missing(DELISTED))
        .join(strategies.lazy().select("strategy", "execution_price"), on="strategy")
        .join(prices.lazy().select("symbol", "open", "close"), on="symbol")
    )
    # In whole fen, so that the order in which rows are added up cannot show.
    cost = pl.col("commission") + pl.col("stamp_duty") + slippage.round(2).cast(MONEY)
    sums = fills.group_by("strategy").agg(notional=pl.col("notional").sum(), costs=cost.sum())
    return sums.select(
        pl.lit(session).alias(name) if name == "session" else pl.col(name).cast(kind)
        for name, kind in TRADING_SCHEMA.items()
    ).collect()
