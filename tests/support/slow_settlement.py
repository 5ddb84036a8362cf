"""Settlement by the letter: plain Python, one strategy at a time, written from the rules and not from the engine.

Rows are dicts with the names of the datasets' columns; money is integer fen throughout. It shares nothing with the
engine but the names of the columns, the rule book included, so that the two can be held against each other.
"""

from datetime import date
from math import ceil, floor, log
from typing import Any

Row = dict[str, Any]


def fen(x: float) -> int:
    return floor(100 * x + 0.5 + 1e-6)


def price4(x: float) -> float:
    return floor(10000 * x + 0.5 + 1e-6) / 10000


def is_star(symbol: str) -> bool:
    return symbol.endswith(".SH") and symbol[:3] in ("688", "689")


def is_beijing(symbol: str) -> bool:
    return symbol.endswith(".BJ")


def is_chinext(symbol: str) -> bool:
    return symbol.endswith(".SZ") and symbol[:3] in ("300", "301", "302")


def is_fund(symbol: str) -> bool:
    shanghai = symbol.endswith(".SH") and symbol[0] == "5"
    return shanghai or (symbol.endswith(".SZ") and symbol[:2] in ("15", "16", "18"))


def lots(symbol: str, q: float) -> float:
    if is_star(symbol):
        n = floor(q + 1e-9)
        return n if n >= 200 else 0
    if is_beijing(symbol):
        n = floor(q + 1e-9)
        return n if n >= 100 else 0
    return floor(q / 100 + 1e-9) * 100


def part_of(symbol: str, q: float) -> float:
    """The quantity of a sell that leaves something: STAR 200 or more, Beijing 100 or more, whole lots elsewhere."""
    if is_star(symbol) or is_beijing(symbol):
        n = floor(q + 1e-9)
        return n if n >= (200 if is_star(symbol) else 100) else 0
    return floor(q / 100 + 1e-9) * 100


def limit_fraction(symbol: str, session: date, st: bool) -> float:
    if is_star(symbol):
        return 0.2
    if is_beijing(symbol):
        return 0.3
    if is_chinext(symbol):
        return 0.1 if session < date(2020, 8, 24) else 0.2
    if is_fund(symbol):
        growth = symbol.startswith(("588", "589")) or symbol in ("159915.SZ", "159949.SZ", "159952.SZ")
        return 0.2 if growth and session >= date(2020, 8, 24) else 0.1
    return 0.05 if st and session < date(2026, 7, 6) else 0.1


def duty_rate(symbol: str, session: date) -> float:
    if is_fund(symbol):
        return 0.0
    return 0.001 if session < date(2023, 8, 28) else 0.0005


def is_tradable(bar: Row | None) -> bool:
    return bar is not None and bar["suspended"] is not True and (bar["volume"] or 0) > 0


def free_sessions(symbol: str, listed: date) -> int:
    """How many sessions of a listing have no price limit."""
    if is_fund(symbol):
        return 0
    if is_star(symbol):
        return 5
    if is_beijing(symbol):
        return 1
    since = date(2020, 8, 24) if is_chinext(symbol) else date(2023, 4, 10)
    return 5 if listed >= since else 1


def per_cny(symbol: str) -> int:
    """Ticks of one CNY."""
    return 1000 if is_fund(symbol) else 100


def reference(symbol: str, bar: Row, mark: Row, action: Row | None) -> float:
    """The price that limits are taken of, in ticks."""
    base = mark["close"]
    if action is not None:
        base = (base - action["cash"]) / (1 + action["bonus"])
    elif mark["adj_factor"] is not None and bar["adj_factor"] is not None:
        base = base * mark["adj_factor"] / bar["adj_factor"]
    return max(1, floor(base * per_cny(symbol) + 0.5 + 1e-6))


def limits(market: "Market", symbol: str) -> tuple[float | None, float | None]:
    """Limit-up and limit-down of a symbol with a bar; None where there is none. A limit of 0 is none."""
    bar, mark = market.bars[symbol], market.marks.get(symbol)
    up, down = bar["limit_up"] or None, bar["limit_down"] or None
    new = market.listings.get(symbol)
    is_free = new is not None and new["age"] <= free_sessions(symbol, new["listed"])
    if mark is not None and not is_free:
        ticks = reference(symbol, bar, mark, market.actions.get(symbol))
        p, scale = limit_fraction(symbol, market.session, bar["is_st"] is True), per_cny(symbol)
        price = ticks / scale
        if is_fund(symbol) and not 0.9 * price - 0.0011 < bar["low"] <= bar["high"] < 1.1 * price + 0.0011:
            p = 0.2  # funds have 10 % or 20 %, and nothing trades beyond a limit
        highest, lowest = price * (1 + p) * scale, price * (1 - p) * scale
        if is_beijing(symbol):
            most, least = floor(highest + 1e-6), ceil(lowest - 1e-6)
        else:
            most, least = floor(highest + 0.5 + 1e-6), floor(lowest + 0.5 + 1e-6)
        up = max(most, ticks + 1) / scale if up is None else up
        down = min(least, ticks - 1) / scale if down is None else down
    return up, down


class Market:
    """One session as the strategies meet it."""

    def __init__(
        self, session: date, bars: list[Row], marks: list[Row], actions: list[Row], listings: list[Row]
    ) -> None:
        self.session = session
        self.bars = {bar["symbol"]: bar for bar in bars}
        self.marks = {mark["symbol"]: mark for mark in marks}
        self.actions = {action["symbol"]: action for action in actions}
        self.listings = {listing["symbol"]: listing for listing in listings}

    def tradable(self, symbol: str) -> bool:
        return is_tradable(self.bars.get(symbol))

    def factor(self, symbol: str) -> float | None:
        bar, mark = self.bars.get(symbol), self.marks.get(symbol)
        if bar is not None and bar["adj_factor"] is not None:
            return bar["adj_factor"]
        return mark["adj_factor"] if mark is not None else None

    def consolidated(self, symbol: str) -> float:
        """New units for one held, where the factor falls and the open bears it out; else 1."""
        bar, mark = self.bars[symbol], self.marks.get(symbol)
        if mark is None or not bar["adj_factor"] or not mark["adj_factor"] or bar["adj_factor"] >= mark["adj_factor"]:
            return 1.0
        ratio = bar["adj_factor"] / mark["adj_factor"]
        from_adjusted = abs(log(bar["open"] * ratio / mark["close"]))
        from_raw = abs(log(bar["open"] / mark["close"]))
        return ratio if 2 * from_adjusted < from_raw else 1.0


def adjust(market: Market, position: Row) -> int:
    """Corporate actions of one position, changed in place; the dividend in fen."""
    symbol = position["symbol"]
    factor = market.factor(symbol)
    record = market.actions.get(symbol)
    if record is not None:
        dividend = fen(position["quantity"] * record["cash"])
        position["quantity"] += floor(position["quantity"] * record["bonus"] + 1e-9)
        own = market.bars[symbol]["adj_factor"] if market.tradable(symbol) else None
        highest = 0 if record["bonus"] < 0 else position["adj_factor"] or 0
        position["adj_factor"] = None if own is None else max(own, highest)
        if not market.tradable(symbol):
            position["close"] = max(0.0, (position["close"] - record["cash"]) / (1 + record["bonus"]))
        return dividend
    if market.tradable(symbol) and factor is not None:
        if position["adj_factor"] is None:
            position["adj_factor"] = factor
        elif factor > position["adj_factor"]:
            position["quantity"] *= factor / position["adj_factor"]
            position["adj_factor"] = factor
        else:
            ratio = market.consolidated(symbol)
            position["quantity"] *= ratio
            position["adj_factor"] *= ratio
    return 0


def why_not(term: Row, book: Row | None, signalled: bool) -> str | None:
    """Why there is no rebalance; None if there is one."""
    if term["paused"]:
        return "paused"
    if not signalled:
        return "no signal"
    if book is not None and book["since_rebalance"] is not None:
        passed = book["since_rebalance"] + 1
        if passed < term["holding_period"]:
            return f"within holding period ({passed}/{term['holding_period']})"
    return None


def wish(market: Market, symbol: str, price: float, raw: float, held: float) -> Row | None:
    """The order of a tradable symbol whose weight is worth `raw` shares, before money is asked after."""
    target = lots(symbol, raw)
    up, down = limits(market, symbol)
    near = 0.5 / per_cny(symbol)
    if held == 0 and target == 0:
        return {"side": "buy", "wanted": raw, "reason": "BELOW_LOT"}
    if target > held:
        wanted = lots(symbol, target - held)
        reason = "LIMIT_UP" if up is not None and price >= up - near else None
        return {"side": "buy", "wanted": wanted, "reason": reason, "limit": up} if wanted else None
    if target < held:
        wanted = held if target == 0 else part_of(symbol, held - target)
        reason = "LIMIT_DOWN" if down is not None and price <= down + near else None
        return {"side": "sell", "wanted": wanted, "reason": reason, "limit": down} if wanted else None
    return None


def wishes(market: Market, positions: dict[str, Row], weights: dict[str, float], equity: float, at: str) -> list[Row]:
    orders = []
    for symbol in sorted(positions.keys() | {s for s, w in weights.items() if w > 0}):
        held = positions[symbol]["quantity"] if symbol in positions else 0
        weight = weights.get(symbol, 0)
        if market.tradable(symbol):
            price = market.bars[symbol][at]
            raw = weight * equity / price
            order = wish(market, symbol, price, raw, held)
        elif weight == 0:
            order = {"side": "sell", "wanted": held, "reason": "SUSPENDED"}
        elif held:
            order = None
        elif symbol in market.bars or symbol in market.marks:
            order = {"side": "buy", "wanted": 0.0, "reason": "SUSPENDED"}
        else:
            order = {"side": "buy", "wanted": 0.0, "reason": "NO_MARKET_DATA"}
        if order is not None:
            nothing = {"filled": 0.0, "price": None, "notional": 0, "commission": 0, "stamp_duty": 0}
            orders.append({"symbol": symbol, **nothing, **order})
    return orders


def fill(order: Row, quantity: float, price: float, commission_rate: float) -> None:
    order["filled"], order["price"] = quantity, price
    order["notional"] = fen(price * quantity)
    order["commission"] = fen(order["notional"] / 100 * commission_rate)


def sell(market: Market, term: Row, orders: list[Row], positions: dict[str, Row]) -> int:
    """Fill the sells that are not refused; return their proceeds."""
    proceeds = 0
    for order in orders:
        if order["side"] == "sell" and order["reason"] is None:
            price = market.bars[order["symbol"]][term["execution_price"]] * (1 - term["slippage_rate"])
            if order["limit"] is not None:
                price = max(price, order["limit"])
            fill(order, order["wanted"], price4(price), term["commission_rate"])
            order["stamp_duty"] = fen(order["notional"] / 100 * duty_rate(order["symbol"], market.session))
            proceeds += order["notional"] - order["commission"] - order["stamp_duty"]
            positions[order["symbol"]]["quantity"] -= order["filled"]
    return proceeds


def shorten(buys: list[Row], total: int, cash: int, rate: float) -> None:
    """Scale every buy down to the cash there is."""
    k = max(0.0, (cash - 2 * len(buys)) / total)
    for order in buys:
        quantity = lots(order["symbol"], order["wanted"] * k)
        if quantity < order["wanted"]:
            order["reason"] = "CASH_SHORT"
        fill(order, quantity, order["price"], rate)
        if quantity == 0:
            order["price"] = None


def buy(market: Market, term: Row, cash: int, orders: list[Row], positions: dict[str, Row]) -> int:
    """Fill the buys that are not refused; return their cost."""
    buys = [order for order in orders if order["side"] == "buy" and order["reason"] is None]
    for order in buys:
        price = market.bars[order["symbol"]][term["execution_price"]] * (1 + term["slippage_rate"])
        if order["limit"] is not None:
            price = min(price, order["limit"])
        fill(order, order["wanted"], price4(price), term["commission_rate"])
    total = sum(order["notional"] + order["commission"] for order in buys)
    if total > cash:
        shorten(buys, total, cash, term["commission_rate"])
    for order in buys:
        if order["filled"]:
            opened = {"symbol": order["symbol"], "quantity": 0, "adj_factor": market.factor(order["symbol"])}
            positions.setdefault(order["symbol"], opened)["quantity"] += order["filled"]
    return sum(order["notional"] + order["commission"] for order in buys)


def summary(orders: list[Row]) -> str:
    filled = [order for order in orders if order["filled"]]
    sides = [order["side"] for order in filled]
    text = f"bought {sides.count('buy')}, sold {sides.count('sell')}"
    cut = sum(order["reason"] == "CASH_SHORT" for order in filled)
    if cut:
        text += f", cut {cut} (CASH_SHORT)"
    reasons = [order["reason"] for order in orders if not order["filled"]]
    if reasons:
        text += f", refused {len(reasons)} ({', '.join(f'{r} {reasons.count(r)}' for r in sorted(set(reasons)))})"
    return text


def settle_one(
    market: Market, term: Row, book: Row | None, holdings: list[Row], weights: dict[str, float] | None
) -> tuple[list[Row], list[Row], Row | None]:
    """Orders, positions and the NAV row of one strategy; None before its first signal. `weights` None: no signal."""
    if book is None and weights is None:
        return [], [], None
    capital = term["initial_capital"] * 100
    cash = capital if book is None else book["cash"]
    positions = {row["symbol"]: dict(row) for row in sorted(holdings, key=lambda row: row["symbol"])}
    for position in positions.values():
        cash += adjust(market, position)
    idle = why_not(term, book, weights is not None)
    orders: list[Row] = []
    if idle is None:
        at = term["execution_price"]
        worth = cash
        for symbol, position in positions.items():
            price = market.bars[symbol][at] if market.tradable(symbol) else position["close"]
            worth += fen(position["quantity"] * price)
        orders = wishes(market, positions, weights or {}, worth / 100, at)
        cash += sell(market, term, orders, positions)
        cash -= buy(market, term, cash, orders, positions)
    after = []
    for symbol in sorted(positions):
        position = positions[symbol]
        if position["quantity"] > 0:
            close = market.bars[symbol]["close"] if market.tradable(symbol) else position["close"]
            after.append({**position, "close": close, "market_value": fen(position["quantity"] * close)})
    nav = cash + sum(row["market_value"] for row in after)
    before = capital if book is None else book["nav"]
    since = None if book is None or book["since_rebalance"] is None else book["since_rebalance"] + 1
    row = {
        "nav": nav,
        "cash": cash,
        "daily_return": nav / before - 1 if before > 0 else None,
        "cumulative_return": nav / capital - 1,
        "event": "REBALANCE" if idle is None else "HOLD",
        "detail": summary(orders) if idle is None else idle,
        "since_rebalance": 0 if idle is None else since,
    }
    return orders, after, row
