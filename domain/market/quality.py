"""The quality gate: findings on a session's bars before anything is settled with them.

A finding that holds stops the settlement of the session; a warning is only reported. The rules are in
domain.market.quality_rules.
"""

from collections.abc import Iterable, Sequence
from datetime import date

import polars as pl

from countersign.domain.market.limits import Before, limit_prices, printed_fraction, reference_price
from countersign.domain.market.quality_rules import RULES, Context, Rule
from countersign.domain.market.quotes import consolidations
from countersign.domain.market.rules import free_of_limits, trading_rules
from countersign.models.enums import Severity
from countersign.models.quality import Finding


def inspect(session: date, bars: pl.DataFrame, context: Context) -> list[Finding]:
    """Findings on one session's bars, those that hold first; an empty list is a clean bill."""
    return found(judge(with_limits(session, bars, context), context))


def judge(known: pl.DataFrame, context: Context) -> list[tuple[Rule, Finding | None]]:
    """Judge a session's bars (the columns of `with_limits`) by every rule; without a bar there is one rule alone."""
    rules: Sequence[Rule] = RULES if known.height else RULES[:1]
    return [(rule, rule.find(known, context)) for rule in rules]


def found(judgements: Iterable[tuple[Rule, Finding | None]]) -> list[Finding]:
    """Return the findings of `judge`, those that hold first."""
    findings = [finding for _, finding in judgements if finding is not None]
    return sorted(findings, key=lambda finding: finding.severity is not Severity.HOLD)


def verdict(findings: Iterable[Finding]) -> str:
    """`hold` if any finding holds, else `warn` if there is any, else `pass`."""
    severities = {finding.severity for finding in findings}
    return Severity.HOLD if Severity.HOLD in severities else Severity.WARN if severities else "pass"


def with_limits(session: date, bars: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Bars with `reference`, `up`, `down`, `tick`, `mark_factor` and `consolidated`.

    Null where there is no limit. A bar's own limits above 0 win.
    """
    earlier = context.marks.select("symbol", mark_close="close", mark_factor="adj_factor")
    known = (
        bars.hstack(trading_rules(bars["symbol"], session).drop("symbol"))
        .join(earlier, on="symbol", how="left", maintain_order="left")
        .join(context.actions.select("symbol", "cash", "bonus"), on="symbol", how="left", maintain_order="left")
    )
    move = pl.when(pl.col("is_st").fill_null(value=False)).then("limit_st").otherwise("limit")
    numbers = {
        name: known.select(value).to_series().cast(pl.Float64).to_numpy()
        for name, value in {
            **{
                name: pl.col(name)
                for name in ("mark_close", "mark_factor", "adj_factor", "cash", "bonus", "open", "high", "low")
            },
            "move": move,
        }.items()
    }
    before = Before(numbers["mark_close"], numbers["mark_factor"], numbers["cash"], numbers["bonus"])
    decimals, inward = known["decimals"].to_numpy(), known["inward"].to_numpy()
    reference = reference_price(before, numbers["adj_factor"], decimals)
    is_fund = (known["board"] == "fund").to_numpy()
    fraction = printed_fraction(numbers["move"], reference, numbers["high"], numbers["low"], is_fund)
    up, down = limit_prices(reference, fraction, decimals, inward)
    fall = consolidations(numbers["open"], numbers["adj_factor"], before)
    free = pl.col("symbol").is_in(free_of_limits(context.listings).implode())
    return known.with_columns(
        *(
            pl.Series(name, values, nan_to_null=True)
            for name, values in (("up", up), ("down", down), ("reference", reference))
        ),
        consolidated=pl.Series(fall < 1.0),
        tick=pl.lit(10.0).pow(-pl.col("decimals")),
    ).with_columns(
        pl.when(pl.col(f"limit_{side}") > 0).then(f"limit_{side}").when(~free).then(side).alias(side)
        for side in ("up", "down")
    )
