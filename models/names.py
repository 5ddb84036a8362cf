"""Names, and other texts that people show each other: the characters that they may hold.

A text must look like its content. So it is in Unicode's composed form (NFC), and has no invisible character and none
that changes the look of its neighbours: controls, bidirectional marks, joiners, others of no width.
"""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator

# Control, format (bidirectional and zero-width), surrogate, private, unassigned; line and paragraph separators.
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Of no width, or blank, though they count as letters or marks: fillers, joiners, and selectors of variants.
BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
LINES = "\n\t"
# fmt: off
RESERVED = frozenset([
    "admin", "administrator", "anonymous", "api", "billing", "bot", "countersign", "everyone", "guest",
    "help", "info", "mod", "moderator", "nobody", "none", "null", "official", "operator", "owner", "platform",
    "replay", "root", "security", "service", "staff", "superuser", "support", "sysadmin", "system", "team", "undefined",
    "unclaimed", "webmaster", "系统", "管理员", "管理員", "官方", "客服", "匿名",
])
# fmt: on


def read_name(value: str) -> str:
    """Return a text of one line in composed form; ValueError, which names the character, for one that is not plain."""
    return _read(value, "")


def read_prose(value: str) -> str:
    """Return a text in composed form, which may have several lines, as `read_name` does."""
    return _read(value, LINES)


def compose(value: str) -> str:
    """Return a text in Unicode's composed form."""
    return unicodedata.normalize("NFC", value)


def nickname_key(nickname: str) -> str:
    """Return the key that nicknames of the same look share: compatible form, without regard to case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", nickname).casefold())


def is_reserved(nickname: str) -> bool:
    """Whether a nickname could pass for the platform's own, with digits or signs around it too; or for an id."""
    word = nickname_key(nickname).strip("0123456789_-. ")
    return not word or word in RESERVED


def _read(value: str, allowed: str) -> str:
    for letter in value:
        if letter in BLANK or (unicodedata.category(letter) in UNSEEN and letter not in allowed):
            raise ValueError(
                "expected text without control, bidirectional or zero-width characters, such as My Alpha 2;"
                f" got U+{ord(letter):04X}"
            )
    if value != value.strip():
        raise ValueError("expected text that neither begins nor ends with white space, such as My Alpha 2")
    return compose(value)


Name = Annotated[str, AfterValidator(read_name)]
Prose = Annotated[str, AfterValidator(read_prose)]
