"""Wire shapes of the stream's events: fields of every signal, and fields of each kind."""

from typing import Literal

from pydantic import Field

from countersign.models.wire.base import Answer, Commit, Day, Moment, Sha256


class StreamedSignal(Answer):
    """Fields in the data of every event."""

    time: int = Field(description="when it was published, or received by us: seconds since 1970", examples=[1779624000])
    symbol: str = Field(description="coin-currency, or symbol of the exchange", examples=["BTC-USDT"])
    signal: Literal[-1, 0, 1] = Field(
        description="-1 sell, 0 hold, 1 buy; of our own: what was traded when the session was settled"
    )
    model: str = Field(description="name of the feed, or slug of the strategy", examples=["cqs-free"])
    revision: int = Field(examples=[1])


class StreamedExternal(StreamedSignal):
    """A signal of somebody else's feed, or a revision of one. Prices are decimal strings, as the feed wrote them."""

    kind: Literal["external"]
    external_id: str = Field(examples=["1847291"])
    published_at: Moment
    received_at: Moment
    exchange: str = Field(examples=["binance"])
    coin: str = Field(examples=["BTC"])
    currency: str = Field(examples=["USDT"])
    direction: Literal["LONG", "SHORT"]
    entry_low: str = Field(examples=["94250.5"])
    entry_high: str = Field(examples=["94400"])
    target1: str | None = Field(examples=["95800"])
    target2: str | None = Field(examples=["97000"])
    target3: str | None = Field(examples=["98500"])
    stop_loss: str = Field(examples=["93100"])
    type: str | None = Field(examples=["SHORT TERM"])
    leverage: str | None = Field(examples=["10"])
    risk_level: str | None = Field(examples=["3"])


class StreamedOwn(StreamedSignal):
    """One symbol of a signal of ours, once its session is settled."""

    kind: Literal["own"]
    session: Day
    version: int = Field(description="of the settlement: counted up by corrections", examples=[1])
    settled_at: Moment
    simulated: bool = Field(description="whether this platform lives by a simulated clock")
    weight: float = Field(description="share of equity that was wanted; 0: none", examples=[0.05])
    signal_hash: Sha256 = Field(description="hex SHA-256 of the sealed payload")
    commit: Commit | None = Field(description="the journal's commit that sealed it; null: not sealed yet")


EVENTS = (StreamedExternal, StreamedOwn)
EXAMPLE = (
    "retry: 3000\n"
    "id: e1041-s18.0.0\n\n"
    "id: e1042-s18.0.0\n"
    'data: {"time":1779624000,"symbol":"BTC-USDT","signal":1,"model":"cqs-free","kind":"external",'
    '"external_id":"1847291","revision":1,"direction":"LONG","entry_low":"94250.5","entry_high":"94400",'
    '"stop_loss":"93100"}\n\n'
    "id: e1042-s18.7.1\n"
    'data: {"time":1779671340,"symbol":"600519.SH","signal":1,"model":"hs300-ml-alpha","kind":"own",'
    '"session":"2026-05-25","version":1,"revision":2,"weight":0.05,"signal_hash":"9f2c…","commit":"41d0…"}\n\n'
    ": heartbeat\n"
    "id: e1042-s19.0.0\n\n"
)
