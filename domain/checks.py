"""Frame checks: required columns, and rows that must not occur. Pure.

Many small queries of a frame cost far more than one large one, and most input is good: one query checks all rules of a
frame, and only after a failure they are checked one by one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from countersign.models.datasets import ColumnType
from countersign.models.errors import InputError


class Rule(NamedTuple):
    """Rule that no row of the frame named `frame` has `wrong` true (null is not true); its error names `field`."""

    frame: str
    field: str
    expected: str
    wrong: pl.Expr


def require(field: str, frame: pl.DataFrame, schema: Mapping[str, ColumnType]) -> None:
    """Refuse a frame that lacks a column or has it in another type; further columns are ignored."""
    found = frame.schema
    for name, kind in schema.items():
        if name not in found:
            raise InputError(field, f"a column {name}", ", ".join(found))
        if found[name] != kind:
            raise InputError(f"{field}.{name}", str(kind), found[name])


def forbid(frames: Mapping[str, pl.DataFrame], rules: Sequence[Rule]) -> None:
    """Refuse frames in which a rule is broken; the message is of the first such rule and shows the first such row."""
    broken = defaultdict[str, list[pl.Expr]](list)
    for rule in rules:
        broken[rule.frame].append(rule.wrong.any().alias(str(len(broken[rule.frame]))))
    if not any(any(frames[name].select_seq(answers).row(0)) for name, answers in broken.items()):
        return
    for rule in rules:
        offenders = frames[rule.frame].filter(rule.wrong)
        if not offenders.is_empty():
            raise InputError(rule.field, rule.expected, offenders.row(0))


def refuse(field: str, expected: str, frame: pl.DataFrame, wrong: pl.Expr) -> None:
    """Refuse a frame that breaks the only rule there is for it."""
    forbid({field: frame}, [Rule(field, field, expected, wrong)])


def positive(column: str) -> pl.Expr:
    """Whether a number is above 0 and finite; null is not."""
    return ((pl.col(column) > 0) & pl.col(column).is_finite()).fill_null(value=False)


def repeated(column: str) -> pl.Expr:
    """Whether a value occurs in several rows."""
    return pl.col(column).is_duplicated()


def of_before(name: str, session: date) -> Rule:
    """Rule that all rows of a frame are of sessions before `session`."""
    return Rule(name, name, f"{name} of a session before {session}", pl.col("session") >= session)
