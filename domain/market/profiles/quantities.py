"""Volumes in shares and amounts in CNY, checked against the prices."""

from dataclasses import replace
from typing import Final

import polars as pl

from countersign.domain.market.profiles.basis import WHY_RAW, Prices
from countersign.domain.market.profiles.layouts import AMOUNT_UNITS, OWN, VOLUME_UNITS, Basis
from countersign.domain.market.profiles.recognition import AUTO, Header
from countersign.domain.market.profiles.units import Averages, averages, fitting_units
from countersign.models.errors import InputError

# Units that a header without any may mean; with 万股 too, content could not tell shares and CNY apart.
UNSAID_VOLUMES: Final = ("股", "手")
UNSAID_AMOUNTS: Final = ("元", "千元", "万元", "百万元")


def to_shares(prices: Prices, header: Header, profile: str) -> tuple[pl.DataFrame, list[str]]:
    """Bring volume and amount to shares and CNY by the header's units, or by content where it says none.

    InputError where amount / volume is not within low..high on nearly all rows, since then a unit is wrong or the
    prices are not raw, and where several units would fit.
    """
    (name, volume), amount, bars = header.volume, header.take("amount"), prices.bars
    if amount is None:
        return _unchecked(prices, header, profile, volume.times)
    remarks = []
    by_volume, by_amount = volume.times, amount.times
    if by_volume is None or by_amount is None:
        volumes = [by_volume] if by_volume else [VOLUME_UNITS[unit] for unit in UNSAID_VOLUMES]
        amounts = [by_amount] if by_amount else [AMOUNT_UNITS[unit] for unit in UNSAID_AMOUNTS]
        found = fitting_units(bars, volumes, amounts)
        if len(found) != 1:
            field = name if by_volume is None else str(header.source("amount"))
            tried = " or ".join(f"x {shares:g} and x {cny:g}" for shares in volumes for cny in amounts)
            got = f"{'several' if found else 'none'} of {tried} that fit the prices"
            raise InputError(field, "a unit in the header, such as 成交量(手) and 成交额(元)", got)
        by_volume, by_amount = found[0]
        remarks.append(f"units by content: volume x {by_volume:g} is shares, amount x {by_amount:g} is CNY")
    given = bars.with_columns(pl.col("volume") * by_volume, pl.col("amount") * by_amount)
    for candidate, how in _candidates(given, header, undone=prices.undone):
        checked = averages(candidate, by_volume, by_amount)
        if checked.fits:
            share = f"{checked.within:,} of {checked.checked:,} rows"
            return candidate, [*remarks, *how, f"checked: amount / volume lies within low..high in {share}"]
    checked = averages(given, by_volume, by_amount)
    if checked.checked == 0:
        return _unchecked(replace(prices, bars=given), header, profile, 1.0)
    raise _misfit(checked, header)


def _candidates(bars: pl.DataFrame, header: Header, *, undone: bool) -> list[tuple[pl.DataFrame, list[str]]]:
    """Volumes as they are and, for tools that adjust them with the prices, times the factor; the likelier first."""
    plain: tuple[pl.DataFrame, list[str]] = (bars, [])
    if not undone:
        return [plain]
    volume = pl.col("volume") * pl.col("adj_factor").fill_null(1.0)
    adjusted = bars.with_columns(volume), ["volumes: adjusted too; volume x factor is taken, to whole shares"]
    return [plain, adjusted] if header.layout.basis is Basis.RAW else [adjusted, plain]


def _unchecked(prices: Prices, header: Header, profile: str, times: float | None) -> tuple[pl.DataFrame, list[str]]:
    """Volumes without amounts to check them by: in the tool's unit, if it was named or its prices show their basis."""
    if times is None:
        raise InputError(header.volume[0], "a unit in the header, such as 成交量(手)", "none")
    if profile == AUTO and not prices.told and header.layout.vendor != OWN:
        expected = f"the profile by name (--from {header.layout.vendor}), for the file has no amounts to check it by"
        raise InputError("from", expected, AUTO)
    bars = prices.bars.with_columns(pl.col("volume") * times)
    candidate, how = _candidates(bars, header, undone=prices.undone)[0]
    return candidate, [*how, "not checked: the unit of volumes, for there are no amounts"]


def _misfit(checked: Averages, header: Header) -> InputError:
    power = checked.power
    if power is not None:
        takes = [(name, take) for name, take in header.takes.items() if take.column in {"volume", "amount"}]
        units = ", ".join(f"{name} in {take.unit or 'CNY'}" for name, take in takes)
        got = f"an average price {10.0**power:g} times that, so that a unit is another one"
        return InputError(header.volume[0], f"amount / volume within low..high ({units})", got)
    missing = checked.checked - checked.within
    whose = f", such as those of {checked.symbol}" if checked.symbol else ""
    rows = f"{missing:,} of {checked.checked:,} rows where it is not{whose}"
    got = f"{rows}: prices seem to be forward- or backward-adjusted"
    return InputError("close", f"raw prices, so that amount / volume is within low..high ({WHY_RAW})", got)
