"""Base of all wire shapes: strict requests, answers, dates and texts, and the shapes of errors."""

import re
import unicodedata
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

DAY_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class Request(BaseModel):
    """A request's body: unknown fields are refused, and a number is a number, never a text or a truth value."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Answer(BaseModel):
    """An answer's body. It only documents: sending answers through it would cost half the throughput."""


def _plain_day(value: Any) -> date:
    if not isinstance(value, str) or not DAY_PATTERN.fullmatch(value):
        raise ValueError("expected a date such as 2026-05-14")
    return date.fromisoformat(value)


def _plain_text(value: str) -> str:
    if any(unicodedata.category(letter) in {"Cc", "Cs"} and letter not in "\n\t" for letter in value):
        raise ValueError("expected text without control characters")
    return value


def word_of(kind: type[StrEnum]) -> BeforeValidator:
    """Read a word of a closed set, which strictness would refuse as a mere text."""
    words = {str(word): word for word in kind}

    def read(value: Any) -> Any:
        if isinstance(value, str) and value in words:
            return words[value]
        raise ValueError(f"expected one of {', '.join(words)}")

    return BeforeValidator(read)


Day = Annotated[
    date,
    BeforeValidator(_plain_day),
    WithJsonSchema({"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$", "examples": ["2026-05-14"]}),
]
Text = Annotated[str, AfterValidator(_plain_text)]
# Fields of many answers, each with an example.
EXAMPLE_SHA256 = "51caddc4e485d4e918999edc54f46618daa30af05202bbe49799253a1153e8c5"
Moment = Annotated[datetime, Field(examples=["2026-05-14T10:15:00+00:00"])]
Sha256 = Annotated[str, Field(examples=[EXAMPLE_SHA256])]
Commit = Annotated[str, Field(examples=["41d0c1f5e0a94a7f3a0b2c8d9e6f57182930a4bc"])]
Symbol = Annotated[str, Field(examples=["600519.SH"])]


class Problem(BaseModel):
    """A refusal, in words."""

    detail: str = Field(examples=["Invalid token"])


class FieldProblem(BaseModel):
    """Fault of one field."""

    type: str = Field(examples=["value_error"])
    loc: list[str | int] = Field(examples=[["body", "signals", 0, "weight"]])
    msg: str = Field(examples=["Input should be less than or equal to 1"])


class InvalidRequest(BaseModel):
    """Faults of a request, field by field."""

    detail: list[FieldProblem]


class SealEvidence(Answer):
    """Evidence of a signal's time; fields that rest on a commit are null until there is one."""

    margin_seconds: float = Field(description="from receipt to the deadline", examples=[149.876544])
    commit_sha: Commit | None = Field(description="of the journal's commit that sealed it")
    commit_time: Moment | None = Field(examples=["2026-05-14T01:12:33+00:00"])
    signer: str | None = Field(
        description="fingerprint of the key that signed that commit, as ssh-keygen prints it; null, too, where the "
        "commit cannot be read",
        examples=["SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"],
    )
    time_class: str | None = Field(
        description="on_time, sealed_late (up to 30 s after the deadline, no fault) or late; null: not sealed",
        examples=["on_time"],
    )
    seconds_late: float | None = Field(description="from the deadline to the commit, 0 for one by then", examples=[0.0])
    evidence: str = Field(
        description="server_only, or tsa: a timestamp authority's token from before the deadline", examples=["tsa"]
    )
    tokens: list[str] = Field(
        description="paths in the journal of the timestamp authorities' tokens for that commit",
        examples=[["timestamps/41/41d0c1f5e0a94a7f3a0b2c8d9e6f57182930a4bc.tsa.example.com.tsr"]],
    )


class Deleted(Answer):
    """Confirmation of a deletion."""

    deleted: bool = Field(examples=[True])
