"""Names that others see: hidden characters and the platform's own nicknames are refused."""

import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from countersign.models.names import BLANK, UNSEEN, is_reserved, nickname_key, read_name, read_prose
from countersign.models.tables.operations import AuditEntry, account
from countersign.models.tables.strategies import StrategyTerms
from countersign.models.wire.accounts import ProfileChange
from countersign.models.wire.base import Request

# By the chart of Unicode's control, bidirectional and zero-width characters.
HIDDEN = (
    "\u0000\u0007\u001b\u007f\u0085\u00ad\u061c\u115f\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202e\u2060"
    "\u2066\u2069\u3164\ufe0f\ufeff\ufff9\U000e0041\U000e0100\ue000\ufffe"
)


@pytest.mark.parametrize("letter", HIDDEN, ids=lambda letter: f"{ord(letter):04x}")
def test_hidden_characters_are_refused_by_their_number(letter: str) -> None:
    for read in (read_name, read_prose):
        with pytest.raises(ValueError, match=f"U\\+{ord(letter):04X}$"):
            read(f"Alpha{letter}2")


@given(st.characters())
def test_a_letter_that_is_let_through_is_seen(letter: str) -> None:
    text = f"a{letter}b"
    try:
        found = read_name(text)
    except ValueError:
        assert unicodedata.category(letter) in UNSEEN or letter in BLANK
        return
    assert found == unicodedata.normalize("NFC", text)
    assert not {unicodedata.category(each) for each in found} & UNSEEN
    assert read_name(found) == found


def test_a_name_is_composed_and_has_no_white_space_around_it() -> None:
    assert read_name("Cafe\u0301") == "Caf\u00e9"
    for text in (" a", "a ", " ", "a\n", "\u3000a"):
        with pytest.raises(ValueError, match=r"neither begins nor ends|control"):
            read_name(text)
    with pytest.raises(ValueError, match=r"U\+000A$"):
        read_name("two\nlines")
    assert read_prose("two\n\tlines") == "two\n\tlines"
    assert read_name("动量 Alpha-2 🚀") == "动量 Alpha-2 🚀"


@pytest.mark.parametrize(
    "nickname",
    ["operator", "Admin", "ADMIN_1", "--system--", "root2", "Countersign", "\uff41dmin", "管理员", "Null", "17", "__1"],
)
def test_nicknames_of_the_platform_are_reserved(nickname: str) -> None:
    assert is_reserved(nickname)
    if nickname.isascii():
        with pytest.raises(ValidationError, match="nobody takes for the platform's own"):
            ProfileChange(nickname=nickname)


def test_other_nicknames_are_free() -> None:
    for nickname in ("alice", "user_a1b2c3d4", "administrata", "operator_of_funds", "动量"):
        assert not is_reserved(nickname)
    assert nickname_key("ＡLice") == nickname_key("alice")


def requests(kind: type[BaseModel] = Request) -> Iterator[type[BaseModel]]:
    for each in kind.__subclasses__():
        yield each
        yield from requests(each)


SHOWN = {"name", "title", "description", "exchange", "currency", "type", "expression", "rationale"}


def test_every_text_of_a_request_that_others_see_is_a_name_or_prose() -> None:
    """A request with a hidden character in such a field is refused for that field, other faults or not."""
    import countersign.api.app  # noqa: F401, PLC0415 - knows all requests

    looked = 0
    for kind in requests():
        for field, info in kind.model_fields.items():
            if field not in SHOWN or str not in {info.annotation, *getattr(info.annotation, "__args__", ())}:
                continue
            with pytest.raises(ValidationError) as refused:
                kind.model_validate({field: "Alpha\u202e2"})
            wrong = {error["loc"][0] for error in refused.value.errors() if error["type"] != "missing"}
            assert field in wrong, (kind, field)
            looked += 1
    assert looked >= 7
    with pytest.raises(ValidationError, match=r"U\+202E"):
        StrategyTerms.model_validate({"slug": "alpha", "name": "Alpha\u202e2"})


def test_the_audit_log_names_accounts_by_number() -> None:
    assert AuditEntry(at=None, actor=account(17), action="x", subject="y").actor == "account:17"  # type: ignore[arg-type]
    for actor in ("alice", "operator ", "account:alice", "sample", ""):
        with pytest.raises(ValueError, match="actor: expected operator or an account"):
            AuditEntry(at=None, actor=actor, action="x", subject="y")  # type: ignore[arg-type]
