"""Loads the exchange's sessions: exchange-calendars, corrected and extended by the home's own override file."""

import tomllib
import warnings
from contextlib import suppress
from datetime import date, timedelta
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from countersign.domain.sessions import Sessions
from countersign.models.errors import InputError, StoreError
from countersign.store.files import write_atomically

OVERRIDES = "calendar_overrides.toml"
OVERRIDES_TEMPLATE = """\
# Corrections to the trading calendar, and its extension past the year that the exchange has announced.
# From the calendar's own end to known_until, every weekday that is not an extra holiday is a session.
#
# known_until = 2027-12-31
# extra_holidays = [2027-01-01]
# extra_sessions = []
"""
FIRST_DAY = "1990-12-03"
KEPT = "exchange_days.json"


class _ExchangeDays(NamedTuple):
    """Exchange days of one version of exchange-calendars: all sessions, and the last day that it knows."""

    version: str
    horizon: date
    days: tuple[date, ...]


_DAYS = TypeAdapter(_ExchangeDays)


def _plain_date(value: object) -> object:
    # datetime is a date too, and would pass with its time cut off.
    if type(value) is not date:
        raise ValueError("expected a TOML date such as 2027-01-01")
    return value


Day = Annotated[date, BeforeValidator(_plain_date)]


class Overrides(BaseModel):
    """The override file's keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    known_until: Day | None = None
    extra_sessions: tuple[Day, ...] = ()
    extra_holidays: tuple[Day, ...] = ()


def load_sessions(home: Path) -> Sessions:
    """Load the calendar of a home. InputError names the override file's faulty key."""
    overrides = read_overrides(home / OVERRIDES)
    _, horizon, days = _exchange_days(home)
    known_until = overrides.known_until or horizon
    if known_until < horizon:
        raise InputError(f"{OVERRIDES}: known_until", f"a date not before {horizon}", known_until)
    for day in overrides.extra_sessions:
        if day > known_until or day in overrides.extra_holidays:
            expected = f"days up to known_until ({known_until}) that are not extra_holidays too"
            raise InputError(f"{OVERRIDES}: extra_sessions", expected, day)
    extension = (horizon + timedelta(n) for n in range(1, (known_until - horizon).days + 1))
    corrected = set(days) | {day for day in extension if day.weekday() < 5}
    corrected = (corrected - set(overrides.extra_holidays)) | set(overrides.extra_sessions)
    return Sessions(tuple(sorted(corrected)), known_until)


def read_overrides(path: Path) -> Overrides:
    """Read the override file; a missing one overrides nothing."""
    if not path.exists():
        return Overrides()
    try:
        return Overrides.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(OVERRIDES, "a TOML file", error) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{OVERRIDES}: {field}", first["msg"], first["input"]) from error


def _exchange_days(home: Path) -> _ExchangeDays:
    """Return the days of the installed exchange-calendars, from the home's copy if there is one.

    Asking the package imports pandas: half a second and 50 MB for each process of ours.
    """
    kept, installed = home / KEPT, version("exchange-calendars")
    with suppress(OSError, ValueError):
        found = _DAYS.validate_json(kept.read_bytes())
        if found.version == installed:
            return found
    found = _ask_exchange(installed)
    if (home / OVERRIDES).exists():  # a folder without it is no home
        with suppress(StoreError):  # a home that takes nothing can be read all the same
            write_atomically(kept, _DAYS.dump_json(found), durable=False)
    return found


@lru_cache(maxsize=1)
def _ask_exchange(installed: str) -> _ExchangeDays:
    from exchange_calendars.exchange_calendar_xshg import XSHGExchangeCalendar  # noqa: PLC0415 - brings pandas in

    # Without start and end the calendar covers only the years around the machine's own date.
    horizon = XSHGExchangeCalendar.bound_max()
    with warnings.catch_warnings():
        # The calendar's own use of pandas, which only its maintainers can bring up to date.
        warnings.simplefilter("ignore", DeprecationWarning)
        calendar = XSHGExchangeCalendar(start=FIRST_DAY, end=horizon)
    return _ExchangeDays(installed, horizon.date(), tuple(day.date() for day in calendar.sessions))
