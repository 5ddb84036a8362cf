"""The lens's tables of other people's signals."""

from countersign.models.lens.table import TIME, LensTable

PRICE = "DECIMAL(38,18)"

EXTERNAL_SIGNALS = LensTable(
    "external_signals",
    "Signals of other people's feeds as they came, a row a revision; the highest revision is what the feed said last",
    {
        "source": ("VARCHAR", "name of the source"),
        "external_id": ("VARCHAR", "id that the source gave it"),
        "revision": ("INTEGER", "1 as first seen, counted up by every change of content"),
        "published_at": (TIME, "when the source says that it was published"),
        "received_at": (TIME, "when this revision reached us"),
        "exchange": ("VARCHAR", "where to trade, in the source's words"),
        "coin": ("VARCHAR", "what to trade"),
        "currency": ("VARCHAR", "quote currency"),
        "direction": ("VARCHAR", "LONG or SHORT"),
        "entry_low": (PRICE, "lower end of the entry zone, in the quote currency"),
        "entry_high": (PRICE, "upper end of the entry zone"),
        "target1": (PRICE, "first price to take profit at; null: none"),
        "target2": (PRICE, "second price to take profit at; null: none"),
        "target3": (PRICE, "third price to take profit at; null: none"),
        "stop_loss": (PRICE, "price at which the signal is wrong"),
        "type": ("VARCHAR", "horizon, such as SHORT TERM; null: not said"),
        "leverage": ("DOUBLE", "suggested leverage; null: not said"),
        "risk_level": ("DOUBLE", "the source's own risk score; null: not said"),
        "outcome": ("VARCHAR", "what became of it, as in external_outcomes; null: not decided"),
        "r_multiple": (
            "DOUBLE",
            "result in multiples of the risk from entry to stop; null: not decided, or not entered",
        ),
    },
)

MOMENT = "when the bar opened that"

EXTERNAL_OUTCOMES = LensTable(
    "external_outcomes",
    "What became of signals of other people's feeds, by first touch; a row a decided revision",
    {
        **{name: EXTERNAL_SIGNALS.columns[name] for name in ("source", "external_id", "revision")},
        "series": ("VARCHAR", "klines that decided it: exchange, coin, currency and interval"),
        "outcome": ("VARCHAR", "stopped, target1, target2, target3 (the furthest before a stop), expired or invalid"),
        "r_multiple": ("DOUBLE", "result in multiples of the risk from entry to stop; null: never entered"),
        "known_at": (TIME, "from when on it counts: the later of published_at and received_at"),
        "entered_at": (TIME, f"{MOMENT} entered the zone; null: none within 24 hours"),
        "stopped_at": (TIME, f"{MOMENT} touched the stop"),
        "target1_at": (TIME, f"{MOMENT} touched the first target before the stop"),
        "target2_at": (TIME, f"{MOMENT} touched the second"),
        "target3_at": (TIME, f"{MOMENT} touched the third"),
        "closed_at": (TIME, "when the last of these was: stop or last target"),
        "decided_at": (TIME, "when that was decided here"),
    },
)

EXTERNAL_GAPS = LensTable(
    "external_gaps",
    "Times in which a source's signals may have come and gone unseen",
    {
        "source": ("VARCHAR", "name of the source"),
        "started_at": (TIME, "the last good poll before"),
        "ended_at": (TIME, "from when on the next good poll saw everything; null: it lasts"),
    },
)
