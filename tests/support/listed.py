"""A feed of the adapter `generic_json` that keeps its targets in a list."""

import json
from typing import Any

MAPPING: dict[str, Any] = {
    "items": "data",
    "fields": {
        "id": "id",
        "timestamp": "time",
        "exchange": "exchange",
        "coin": "coin",
        "currency": "currency",
        "direction": "side",
        "buy_start": "lo",
        "buy_end": "hi",
        "stop_loss": "sl",
        "target1": "targets.0",
        "target2": "targets.1",
        "target3": "targets.2",
    },
}
TERMS = {"adapter": "generic_json", "settings": json.dumps(MAPPING)}
ITEM: dict[str, Any] = {
    "id": 1,
    "time": "2026-01-05 00:00:00",
    "exchange": "binance",
    "coin": "BTC",
    "currency": "USDT",
    "side": "LONG",
    "lo": "100",
    "hi": "101",
    "sl": "95",
    "targets": [105, 110, 115],
}
