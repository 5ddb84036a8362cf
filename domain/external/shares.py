"""Shares with their uncertainty: how often something happened, of how many, and how far that is chance."""

from math import sqrt
from typing import NamedTuple

from countersign.models.errors import InputError

# Two-sided 95 % of the normal distribution.
Z95 = 1.959963984540054


class Share(NamedTuple):
    """`hits` of `of`; the share and the ends of its 95 % interval are fractions, null of nothing."""

    hits: int
    of: int
    share: float | None
    low: float | None
    high: float | None


def share(hits: int, of: int) -> Share:
    """Give a share its interval."""
    low, high = wilson(hits, of) or (None, None)
    return Share(hits, of, hits / of if of else None, low, high)


def wilson(hits: int, of: int) -> tuple[float, float] | None:
    """The 95 % interval of a share after Wilson (1927), J. Am. Stat. Assoc. 22, 209-212; None of nothing."""
    if hits < 0 or hits > of:
        raise InputError("hits", f"0 to {of}", hits)
    if of == 0:
        return None
    share, z2 = hits / of, Z95**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 * sqrt(share * (1 - share) / of + z2 / (4 * of**2)) / (1 + z2 / of)
    # Exactly 0 and 1 at the ends, where rounding leaves a little.
    return (middle - half if hits else 0.0), (middle + half if hits < of else 1.0)
