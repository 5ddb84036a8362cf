"""Bars out of loose tables: columns taken by a profile's layout, units and prices by content, every step a remark.

The result has our columns and is for domain.market.bars.normalise_bars to check; a remark names each part that is left
out or changed on the way. A column that can be taken in two ways is refused.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl

from countersign.domain.market.instruments import is_taken
from countersign.domain.market.profiles.basis import WHY_RAW, to_raw
from countersign.domain.market.profiles.cells import Place, days, flags, looks_like_days, numbers, without_notes
from countersign.domain.market.profiles.layouts import Basis
from countersign.domain.market.profiles.quantities import to_shares
from countersign.domain.market.profiles.recognition import FILE, ROW, Header, is_nameless, recognise, tidy
from countersign.domain.market.profiles.suspensions import suspended_by_state, with_suspensions
from countersign.domain.market.symbols import canonical, code_in_file_name
from countersign.models.datasets import BARS
from countersign.models.errors import InputError

# baostock's adjustflag.
RAW_FLAG: Final = pl.Series([3.0])
ADJUSTMENTS: Final = {1.0: "backward-adjusted", 2.0: "forward-adjusted"}
ADJUSTED_NAME: Final = r"(?i)qfq|hfq|前复权|后复权"
# tushare's table of factors, a file of its own beside that of the bars.
FACTOR_KEY: Final = ("ts_code", "trade_date")
FACTOR_COLUMNS: Final = {*FACTOR_KEY, "adj_factor"}
# Decimals of shares and CNY: digits beyond them are noise of changed units.
ROUNDED: Final = {"volume": 0, "amount": 2}
SHOWN: Final = 3


def understand(tables: Sequence[pl.DataFrame], profile: str) -> tuple[pl.DataFrame, list[str]]:
    """Read tables of one header as bars by a profile (recognition.PROFILES); return them and remarks on the reading.

    The tables have the columns FILE and ROW beside their own, as text or typed; one of them may be tushare's
    adj_factor. InputError names the column that is missing, adjusted, in a wrong unit, or can be taken in two ways.
    """
    table, remarks = _one_table(tables)
    header = recognise(table.columns, profile)
    remarks.append(f"profile: {header.layout.name}")
    table, notes = without_notes(table, [name for name in table.columns if name not in {FILE, ROW}])
    if table.is_empty():
        raise InputError("path", "at least one row", "none")
    bars, taken = _take(table, header)
    remarks += taken + notes
    bars, instruments = _without_others(bars)
    bars, suspensions = with_suspensions(bars)
    remarks += instruments + suspensions
    adjusted = _said_to_be_adjusted(bars, table)
    prices = to_raw(bars, Basis.ADJUSTED if adjusted else header.layout.basis)
    bars, units = to_shares(prices, header, profile)
    rounded = [pl.col(name).round(decimals) for name, decimals in ROUNDED.items() if name in bars.columns]
    result = bars.select(name for name in BARS.schema if name in bars.columns).with_columns(rounded)
    return result, [*remarks, prices.remark, *units]


def _one_table(tables: Sequence[pl.DataFrame]) -> tuple[pl.DataFrame, list[str]]:
    """The table of bars, with the factors of tushare's other table joined to it."""
    headers = [{tidy(name): name for name in table.columns if not _added(name)} for table in tables]
    factors = [table for table, header in zip(tables, headers, strict=True) if set(header) == FACTOR_COLUMNS]
    others = [table for table, header in zip(tables, headers, strict=True) if set(header) != FACTOR_COLUMNS]
    if len(others) != 1 or len(factors) > 1:
        odd = "; ".join(f"{table[FILE][0]}: {', '.join(table.drop(FILE, ROW).columns)}" for table in tables[:2])
        raise InputError("path", "bars under one header", f"{len(others)} headers ({odd})" if others else "none")
    if not factors:
        return others[0], []
    bars, found = others[0], factors[0].rename({name: tidy(name) for name in factors[0].columns if not _added(name)})
    if not {*FACTOR_KEY} <= set(bars.columns) or "adj_factor" in bars.columns:
        raise InputError("path", "tushare's daily beside its adj_factor, with one column of factors", "others")
    keys = [pl.col(name).cast(pl.String) for name in FACTOR_KEY]
    lookup = found.select(*keys, "adj_factor").unique()
    if lookup.select(FACTOR_KEY).is_duplicated().any():
        raise InputError("adj_factor", "one factor for each ts_code and trade_date", "different ones")
    joined = bars.with_columns(keys).join(lookup, on=FACTOR_KEY, how="left", maintain_order="left")
    without = joined.get_column("adj_factor").null_count()
    if without == joined.height:
        raise InputError("adj_factor", "factors of the rows' ts_code and trade_date", "none of them")
    remarks = [f"joined: adj_factor of {', '.join(sorted(set(found[FILE])))} by ts_code and trade_date"]
    return joined, remarks + ([f"rows without a factor: {without:,}"] if without else [])


def _added(name: str) -> bool:
    return name in {FILE, ROW} or is_nameless(name)


def _take(table: pl.DataFrame, header: Header) -> tuple[pl.DataFrame, list[str]]:
    """Our columns in the source's units, with the codes as given in `code`, and remarks on the reading."""
    place = _places(table)
    sources = {take.column: name for name, take in header.takes.items()}
    if "session" not in sources:
        sources["session"] = _index_of_days(table, header)
    named = "symbol" not in sources
    codes = _codes_of_files(table) if named else table.get_column(sources["symbol"])
    columns = {
        "code": codes.cast(pl.String),
        "symbol": canonical(codes, "path" if named else sources["symbol"], place),
        "session": days(table.get_column(sources["session"]), place),
    }
    for column, source in sources.items():
        if column not in {"symbol", "session"}:
            columns["suspended" if column == "trading" else column] = _values(table.get_column(source), column, place)
    sources["symbol"] = FILE if named else sources["symbol"]
    return pl.DataFrame(columns), _said(header, sources)


def _said(header: Header, sources: dict[str, str]) -> list[str]:
    """Remarks on the source columns: which was taken for which of ours, in which unit, and which were left out."""
    taken, same = [], []
    for column, source in sources.items():
        take = header.takes.get(source)
        unit = f" x {take.times:g} ({take.unit})" if take and take.times not in {None, 1.0} else ""
        if source == column and not unit:
            same.append(column)
        else:
            taken.append(f"{'the index' if is_nameless(source) else source} -> {column}{unit}")
    if same:
        taken.append(f"{', '.join(same)} as they are")
    left = ["an index" if is_nameless(name) else name for name in header.left_out if name not in sources.values()]
    return [f"columns: {'; '.join(taken)}", *([f"columns left out: {', '.join(left)}"] if left else [])]


def _values(values: pl.Series, column: str, place: Place) -> pl.Series:
    match column:
        case "trading":
            return suspended_by_state(values, place)
        case "suspended" | "is_st":
            return flags(values, place)
        case _:
            return numbers(values, place)


def _places(table: pl.DataFrame) -> Place:
    one = table.get_column(FILE).n_unique() == 1
    return lambda row: f"row {table[ROW][row]}" + ("" if one else f" of {table[FILE][row]}")


def _index_of_days(table: pl.DataFrame, header: Header) -> str:
    nameless = [name for name in header.left_out if is_nameless(name) and looks_like_days(table.get_column(name))]
    if len(nameless) != 1:
        names = " or ".join(name for name, take in header.layout.takes.items() if take.column == "session")
        raise InputError("session", f"a column {names}, or one index of dates without a name", "none")
    return nameless[0]


def _codes_of_files(table: pl.DataFrame) -> pl.Series:
    stems = table.get_column(FILE)
    codes = {stem: code_in_file_name(stem) for stem in stems.unique()}
    strange = sorted(stem for stem, code in codes.items() if code is None)
    if strange:
        expected = "a column of codes, or files named by one code each, such as sh600519.csv"
        raise InputError("path", expected, f"{strange[0]} without either")
    return stems.replace_strict(codes, return_dtype=pl.String)


def _without_others(bars: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Leave out every symbol but A shares, Beijing shares and exchange-traded funds, and name it in a remark."""
    symbols = bars.get_column("symbol").unique()
    taken = symbols.filter(is_taken(symbols).fill_null(value=False))
    kept = bars.filter(pl.col("symbol").is_in(taken.implode()))
    others = bars.filter(~pl.col("symbol").is_in(taken.implode()).fill_null(value=False))
    if others.is_empty():
        return bars.drop("code"), []
    names = _some(others.select(pl.coalesce("symbol", "code")).to_series().unique().sort())
    if kept.is_empty():
        raise InputError("symbol", "A shares, Beijing shares or exchange-traded funds", names)
    said = f"rows left out, of what is no A share, Beijing share or exchange-traded fund: {others.height:,} ({names})"
    return kept.drop("code"), [said]


def _some(names: Iterable[str]) -> str:
    every = list(names)
    more = len(every) - SHOWN
    return ", ".join(every[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _said_to_be_adjusted(bars: pl.DataFrame, table: pl.DataFrame) -> bool:
    """Whether the file itself says that prices are adjusted; InputError where it has no factor that would undo it."""
    said = bars.get_column("adjustment").drop_nulls().unique().sort() if "adjustment" in bars.columns else RAW_FLAG
    if len(said) > 1:
        raise InputError("adjustflag", "one kind of prices in a file", f"several: {', '.join(f'{x:g}' for x in said)}")
    words = [ADJUSTMENTS.get(flag, f"of the unknown kind {flag:g}") for flag in said if flag != RAW_FLAG[0]]
    names = [stem for stem in table.get_column(FILE).unique() if re.search(ADJUSTED_NAME, stem)]
    if (words or names) and "adj_factor" not in bars.columns:
        field, expected = ("adjustflag", "3, raw prices") if words else ("path", "raw prices")
        got = f"{words[0]} prices without a factor" if words else f"{min(names)}, which is named as adjusted prices are"
        raise InputError(field, f"{expected} ({WHY_RAW})", got)
    return bool(words or names)
