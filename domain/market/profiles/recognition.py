"""Recognition of a header: its layout, and the meaning of its columns. A header that fits two layouts is refused."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from countersign.domain.market.profiles.layouts import ADJUSTING, LAYOUTS, REQUIRED, VENDORS, Layout, Take
from countersign.models.errors import InputError

AUTO: Final = "auto"
PROFILES: Final = (*VENDORS, AUTO)
# Columns that a reader of files adds: the file's name without its endings, and the row in it, from 1.
FILE: Final = "file name"
ROW: Final = "row of the file"
# Names of an index column of pandas once it has been in a file.
NAMELESS: Final = re.compile(r"unnamed:_?\d+|__index_level_\d+__|index|")


@dataclass(frozen=True)
class Header:
    """A recognised header: the layout, the meaning of each source column, and the source columns left out."""

    layout: Layout
    takes: dict[str, Take]
    left_out: tuple[str, ...]

    def source(self, column: str) -> str | None:
        """The source column that is taken for `column`, None without one."""
        return next((name for name, take in self.takes.items() if take.column == column), None)

    @property
    def volume(self) -> tuple[str, Take]:
        """The source column of the volume and its meaning; every recognised header has one."""
        return next((name, take) for name, take in self.takes.items() if take.column == "volume")

    def take(self, column: str) -> Take | None:
        """Meaning of `column`, None where no source column is taken for it."""
        return next((take for take in self.takes.values() if take.column == column), None)


def tidy(name: str) -> str:
    """A column's name without blanks, in small letters, with ASCII brackets."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", name)).lower()


def is_nameless(name: str) -> bool:
    """Whether a column has no name of its own, as pandas writes its index."""
    return NAMELESS.fullmatch(tidy(name)) is not None


def recognise(names: Iterable[str], profile: str) -> Header:
    """Find the layout of `profile`, one of PROFILES, that the columns `names` are of.

    InputError for a profile that is not known, for a header that none or several of its layouts fit, for two columns
    that would be the same, and for a column that speaks of adjustment and is not known.
    """
    columns = [name for name in names if name not in {FILE, ROW}]
    if profile not in PROFILES:
        raise InputError("from", f"one of {', '.join(PROFILES)}", profile)
    layouts = [each for each in LAYOUTS if profile in {AUTO, each.vendor}]
    fitting = [each for each in layouts if not _missing(each, columns)]
    if profile == AUTO:
        fitting = [each for each in fitting if each.telling & {tidy(name) for name in columns}]
    if len(fitting) != 1:
        raise _unrecognised(columns, profile, layouts, fitting)
    header = _header(fitting[0], columns)
    strange = next((name for name in header.left_out if re.search(ADJUSTING, name)), None)
    if strange is not None and header.source("adj_factor") is None:
        expected = f"a column that the profile {fitting[0].vendor} knows, or one without a word of adjustment"
        raise InputError(strange, expected, "a column that may say that prices are adjusted; raw prices are needed")
    return header


def _missing(layout: Layout, columns: list[str]) -> list[str]:
    found = {layout.takes[tidy(name)].column for name in columns if tidy(name) in layout.takes}
    return [column for column in REQUIRED if column not in found]


def _header(layout: Layout, columns: list[str]) -> Header:
    takes = {name: layout.takes[tidy(name)] for name in columns if tidy(name) in layout.takes}
    header = Header(layout, takes, tuple(name for name in columns if name not in takes))
    for name, take in takes.items():
        first = header.source(take.column)
        if first != name:
            raise InputError(name, f"one column for {take.column}", f"both {first} and {name}")
    return header


def _unrecognised(columns: list[str], profile: str, layouts: list[Layout], fitting: list[Layout]) -> InputError:
    if fitting:
        names = " and ".join(each.name for each in fitting)
        return InputError("from", "a header of one profile (name it: --from …)", f"one that fits {names}")
    if profile == AUTO and (named := [each for each in layouts if not _missing(each, columns)]):
        names = " or ".join(dict.fromkeys(each.vendor for each in named if each.vendor in VENDORS))
        return InputError("from", f"the profile by name ({names}?)", f"nothing in {', '.join(columns)} that tells it")
    nearest = min(layouts, key=lambda each: len(_missing(each, columns)))
    sources = (name for name, take in nearest.takes.items() if take.column in _missing(nearest, columns))
    lacking = f"{', '.join(columns)}, without {' or '.join(sources)}"
    return InputError("from", f"the header of {nearest.name}" if profile != AUTO else "a known header", lacking)
