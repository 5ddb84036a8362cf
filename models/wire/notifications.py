"""Wire shapes of notifications, and of the addresses that they are sent to."""

from typing import Annotated

from pydantic import Field

from countersign.models.enums import NoticeKind
from countersign.models.wire.base import Answer, Moment, Request, Text, word_of


class NotificationAnswer(Answer):
    """A notification. `read_at` is null until it is marked as read."""

    id: str = Field(examples=["1042"])
    kind: str = Field(examples=["settled"])
    text: str = Field(examples=["hs300-ml-alpha: 2026-05-14 settled, +0.12%, NAV 1052300.50 CNY"])
    created_at: Moment
    read_at: Moment | None


class NotificationsAnswer(Answer):
    """One's notifications, newest first."""

    notifications: list[NotificationAnswer]


class UnreadAnswer(Answer):
    """Number of unread notifications."""

    unread_count: int = Field(examples=[3])


class MarkedAnswer(Answer):
    """Number of notifications marked as read."""

    marked: int = Field(examples=[3])


class DeliveryChoice(Request):
    """Choice of the kinds of notifications that are sent to one's addresses; the others are only listed."""

    deliver: list[Annotated[NoticeKind, word_of(NoticeKind)]] = Field(
        max_length=50, examples=[["sealed_late", "deadline_near"]]
    )


class DeliveryAnswer(Answer):
    """Kinds of notifications that are sent to one's addresses."""

    deliver: list[NoticeKind]


class NewAddress(Request):
    """Address for notifications: a webhook (https://…), or mail through one's own server (mailtos://…)."""

    url: Text = Field(min_length=1, max_length=1000, examples=["https://example.com/hook?token=secret"])


class AddressAnswer(Answer):
    """An address. It may hold a secret, so that it is never shown whole."""

    id: str = Field(examples=["2"])
    shown: str = Field(examples=["https://example.com/…"])
    created_at: Moment
    failing: bool = Field(description="the last attempt failed; it is tried again", examples=[False])


class AddressesAnswer(Answer):
    """One's addresses."""

    addresses: list[AddressAnswer]
