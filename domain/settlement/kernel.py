"""The settlement kernel: one session of many strategies over arrays, money in integer fen.

Every function is a step of the rules; how frames become these arrays is `domain.settlement.engine`'s business. The
kernel releases the GIL, touches nothing but its arguments and adds in a fixed order, so chunks of strategies may run on
threads and give the same bytes. All of it stays in this file, the only one whose changes the compiled cache notices.
"""

import math

import numpy as np

from countersign.domain.arrays import (
    Accounts,
    Floats,
    Holdings,
    Orders,
    Outcome,
    Quotes,
    Results,
    Signals,
    Table,
    Workspace,
)
from countersign.domain.compiling import compiled, step

BUY, SELL = 1, 2
# The places of a side and a reason in the alphabet, from 1; 0 is none.
BELOW_LOT, CASH_SHORT, LIMIT_DOWN, LIMIT_UP, NO_MARKET_DATA, SUSPENDED = 1, 2, 3, 4, 5, 6

# Columns of the tally: orders bought, sold, bought in part; then those refused, at REFUSED + reason.
BOUGHT, SOLD, CUT, REFUSED = 0, 1, 2, 2


@compiled
def fen(amount: float) -> int:
    """CNY to fen, half up; the millionth makes up for the loss of binary fractions."""
    return math.floor(100.0 * amount + 0.5 + 1e-6)


@compiled
def price4(price: float) -> float:
    """A price to 4 decimals, half up."""
    return math.floor(10000.0 * price + 0.5 + 1e-6) / 10000.0


@compiled
def whole(quantity: float, lot: float) -> float:
    """The most whole multiples of `lot` in a quantity."""
    return math.floor(quantity / lot + 1e-9) * lot


@compiled
def lots(quantity: float, lot: float, least: float) -> float:
    """The quantity that may be ordered: whole multiples of `lot`, 0 if that is under `least`."""
    rounded = whole(quantity, lot)
    return rounded if rounded >= least else 0.0


def settle_arrays(quotes: Quotes, accounts: Accounts, holdings: Holdings, signals: Signals) -> Outcome:
    """Settle one session; orders and positions come sorted by strategy, then symbol."""
    capacity = holdings.symbol.size + signals.symbol.size
    widest = int(np.max(np.diff(accounts.first_holding) + np.diff(accounts.first_signal), initial=0))
    out = Outcome(Orders.room(capacity), Holdings.room(capacity), Results.room(accounts.cash.size))
    ws, slips = Workspace.room(widest), Orders.room(widest)
    order_count, position_count = _settle(quotes, accounts, holdings, signals, ws, slips, out)
    return Outcome(
        Orders._make(column[:order_count] for column in out.orders),
        Holdings._make(column[:position_count] for column in out.positions),
        out.results,
    )


@compiled
def _settle(
    quotes: Quotes, accounts: Accounts, holdings: Holdings, signals: Signals, ws: Workspace, slips: Orders, out: Outcome
) -> tuple[int, int]:
    """Fill `out`, one strategy at a time in the workspace; return how many orders and positions there are."""
    orders, positions, results = out
    order_count, position_count = 0, 0
    for i in range(accounts.cash.size):
        since = accounts.since[i] + 1 if accounts.since[i] >= 0 else -1
        due = since < 0 or since >= accounts.holding_period[i]
        rebalance = accounts.signalled[i] and not accounts.paused[i] and due
        last_signal = accounts.first_signal[i + 1] if rebalance else accounts.first_signal[i]
        rows = _line_up(accounts, i, holdings, signals, last_signal, ws)
        cash = accounts.cash[i] + _corporate_actions(quotes, ws, rows)
        if rebalance:
            price = quotes.close if accounts.at_close[i] else quotes.open
            _decide(quotes, price, _equity(quotes, price, cash, ws, rows), ws, rows, slips)
            cash += _sell(quotes, price, accounts, i, slips, rows)
            cash -= _buy(quotes, price, accounts, i, slips, rows, cash)
            _book(quotes, ws, slips, rows)
            order_count = _keep_orders(i, slips, rows, orders, order_count, results.tally)
        value, position_count = _mark(quotes, i, ws, rows, positions, position_count)
        results.nav[i], results.cash[i] = cash + value, cash
        results.since[i], results.rebalanced[i] = 0 if rebalance else since, rebalance
    return order_count, position_count


@step
def _line_up(accounts: Accounts, i: int, holdings: Holdings, signals: Signals, last_signal: int, ws: Workspace) -> int:
    """Lay held and signalled symbols in the workspace, ascending; return how many. Weight 0: not in the signal."""
    h, h_end = accounts.first_holding[i], accounts.first_holding[i + 1]
    s, s_end, row = accounts.first_signal[i], last_signal, 0
    while h < h_end or s < s_end:
        is_held = h < h_end and (s >= s_end or holdings.symbol[h] <= signals.symbol[s])
        is_signalled = s < s_end and (h >= h_end or signals.symbol[s] <= holdings.symbol[h])
        ws.symbol[row] = holdings.symbol[h] if is_held else signals.symbol[s]
        ws.quantity[row] = holdings.quantity[h] if is_held else 0.0
        ws.close[row] = holdings.close[h] if is_held else np.nan
        ws.factor[row] = holdings.factor[h] if is_held else np.nan
        ws.weight[row] = signals.weight[s] if is_signalled else 0.0
        h += is_held
        s += is_signalled
        row += 1
    return row


@step
def _corporate_actions(quotes: Quotes, ws: Workspace, rows: int) -> int:
    """Step 1; return the dividends in fen."""
    dividends = 0
    for row in range(rows):
        symbol, quantity = ws.symbol[row], ws.quantity[row]
        if quantity == 0.0:
            continue
        factor, highest, tradable = quotes.factor[symbol], ws.factor[row], quotes.tradable[symbol]
        if quotes.recorded[symbol]:
            dividend, bonus = quotes.dividend[symbol], quotes.bonus[symbol]
            dividends += fen(quantity * dividend)
            ws.quantity[row] = quantity + math.floor(quantity * bonus + 1e-9)
            # The factor of the same event must not be applied as well, today or when it is seen later.
            if not tradable or np.isnan(quotes.own_factor[symbol]):
                ws.factor[row] = np.nan
            elif bonus < 0.0 or not highest > factor:
                ws.factor[row] = factor
            if not tradable:
                ws.close[row] = max(0.0, (ws.close[row] - dividend) / (1.0 + bonus))
        elif tradable and factor > highest:
            ws.quantity[row], ws.factor[row] = quantity * (factor / highest), factor
        elif tradable and factor < highest:
            ws.quantity[row], ws.factor[row] = quantity * quotes.fall[symbol], highest * quotes.fall[symbol]
        elif tradable and np.isnan(highest):
            ws.factor[row] = factor
    return dividends


@step
def _equity(quotes: Quotes, price: Floats, cash: int, ws: Workspace, rows: int) -> float:
    """Equity of the account at the prices it trades at, in CNY."""
    worth = cash
    for row in range(rows):
        symbol = ws.symbol[row]
        if ws.quantity[row] > 0.0:
            worth += fen(ws.quantity[row] * (price[symbol] if quotes.tradable[symbol] else ws.close[row]))
    return worth / 100.0


@compiled
def _order(
    ideal: float, held: float, lot: float, least_buy: float, least_sell: float, is_up: bool, is_down: bool
) -> tuple[int, float, int]:
    """Side, quantity wanted and refusal of a tradable symbol whose weight is worth `ideal` shares; side 0: no order."""
    target = lots(ideal, lot, least_buy)
    if target > held:
        wanted = lots(target - held, lot, least_buy)
        return BUY if wanted > 0.0 else 0, wanted, LIMIT_UP if is_up else 0
    if target < held:
        wanted = held if target == 0.0 else lots(held - target, lot, least_sell)
        return SELL if wanted > 0.0 else 0, wanted, LIMIT_DOWN if is_down else 0
    return BUY if held == 0.0 else 0, ideal, BELOW_LOT


@step
def _decide(quotes: Quotes, price: Floats, equity: float, ws: Workspace, rows: int, slips: Orders) -> None:
    """Steps 3 and 4 up to the fills: a slip for every row, of side 0 where there is no order."""
    for row in range(rows):
        symbol, held = ws.symbol[row], ws.quantity[row]
        if quotes.tradable[symbol]:
            ideal = ws.weight[row] * equity / price[symbol]
            is_up = price[symbol] >= quotes.locked_up[symbol]
            is_down = price[symbol] <= quotes.locked_down[symbol]
            lot, least_buy, least_sell = quotes.lot[symbol], quotes.least_buy[symbol], quotes.least_sell[symbol]
            side, wanted, reason = _order(ideal, held, lot, least_buy, least_sell, is_up, is_down)
        elif ws.weight[row] == 0.0:
            side, wanted, reason = SELL, held, SUSPENDED
        else:
            # Without a price there is no target: a held symbol is kept, another one cannot be bought.
            side, wanted, reason = BUY if held == 0.0 else 0, 0.0, SUSPENDED if quotes.known[symbol] else NO_MARKET_DATA
        slips.symbol[row], slips.side[row], slips.wanted[row], slips.reason[row] = symbol, side, wanted, reason
        slips.filled[row], slips.price[row] = 0.0, np.nan
        slips.notional[row], slips.commission[row], slips.duty[row] = 0, 0, 0


@compiled
def _amounts(price: float, quantity: float, commission_rate: float) -> tuple[int, int]:
    """Notional and commission of a fill, in fen."""
    notional = fen(price * quantity)
    return notional, fen(notional / 100.0 * commission_rate)


@step
def _sell(quotes: Quotes, price: Floats, accounts: Accounts, i: int, slips: Orders, rows: int) -> int:
    """Fill the sells; return their proceeds after costs, in fen."""
    proceeds = 0
    for row in range(rows):
        if slips.side[row] == SELL and slips.reason[row] == 0:
            symbol = slips.symbol[row]
            fill = price4(max(price[symbol] * (1.0 - accounts.slippage_rate[i]), quotes.limit_down[symbol]))
            notional, commission = _amounts(fill, slips.wanted[row], accounts.commission_rate[i])
            duty = fen(notional / 100.0 * quotes.duty[symbol])
            slips.filled[row], slips.price[row] = slips.wanted[row], fill
            slips.notional[row], slips.commission[row], slips.duty[row] = notional, commission, duty
            proceeds += notional - commission - duty
    return proceeds


@step
def _buy(quotes: Quotes, price: Floats, accounts: Accounts, i: int, slips: Orders, rows: int, cash: int) -> int:
    """Fill the buys, all scaled alike if the cash is not enough; return their costs, in fen.

    Two fen a buy are kept back for rounding: the cash suffices while number of buys × commission rate is under 1.
    """
    total, buys = 0, 0
    for row in range(rows):
        if slips.side[row] == BUY and slips.reason[row] == 0:
            symbol = slips.symbol[row]
            fill = price4(min(price[symbol] * (1.0 + accounts.slippage_rate[i]), quotes.limit_up[symbol]))
            notional, commission = _amounts(fill, slips.wanted[row], accounts.commission_rate[i])
            slips.filled[row], slips.price[row] = slips.wanted[row], fill
            slips.notional[row], slips.commission[row] = notional, commission
            total += notional + commission
            buys += 1
    if total <= cash:
        return total
    scale = max(0.0, (cash - 2 * buys) / total)
    total = 0
    for row in range(rows):
        if slips.side[row] == BUY and slips.reason[row] == 0:
            symbol = slips.symbol[row]
            quantity = lots(slips.wanted[row] * scale, quotes.lot[symbol], quotes.least_buy[symbol])
            slips.reason[row] = CASH_SHORT if quantity < slips.wanted[row] else 0
            notional, commission = _amounts(slips.price[row], quantity, accounts.commission_rate[i])
            slips.filled[row], slips.notional[row], slips.commission[row] = quantity, notional, commission
            slips.price[row] = slips.price[row] if quantity > 0.0 else np.nan
            total += notional + commission
    return total


@step
def _book(quotes: Quotes, ws: Workspace, slips: Orders, rows: int) -> None:
    """Move the filled quantities; a position that is opened starts from today's factor."""
    for row in range(rows):
        if slips.side[row] == SELL:
            ws.quantity[row] -= slips.filled[row]
        elif slips.filled[row] > 0.0:
            if ws.quantity[row] == 0.0:
                ws.factor[row] = quotes.factor[ws.symbol[row]]
            ws.quantity[row] += slips.filled[row]


@step
def _keep_orders(i: int, slips: Orders, rows: int, orders: Orders, count: int, tally: Table) -> int:
    """Append the slips that are orders, and count them; return the new number of orders."""
    for row in range(rows):
        side, reason, filled = slips.side[row], slips.reason[row], slips.filled[row] > 0.0
        if side == 0:
            continue
        orders.strategy[count], orders.symbol[count], orders.side[count] = i, slips.symbol[row], side
        orders.wanted[count], orders.filled[count] = slips.wanted[row], slips.filled[row]
        orders.price[count], orders.notional[count] = slips.price[row], slips.notional[row]
        orders.commission[count], orders.duty[count] = slips.commission[row], slips.duty[row]
        orders.reason[count] = reason
        count += 1
        if not filled:
            tally[i, REFUSED + reason] += 1
        else:
            tally[i, SOLD if side == SELL else BOUGHT] += 1
            tally[i, CUT] += reason == CASH_SHORT
    return count


@step
def _mark(quotes: Quotes, i: int, ws: Workspace, rows: int, positions: Holdings, count: int) -> tuple[int, int]:
    """Step 5: append the positions at their closes; return their value in fen and the new number of positions."""
    worth = 0
    for row in range(rows):
        symbol, quantity = ws.symbol[row], ws.quantity[row]
        if quantity <= 0.0:
            continue
        close = quotes.close[symbol] if quotes.tradable[symbol] else ws.close[row]
        value = fen(quantity * close)
        positions.strategy[count], positions.symbol[count], positions.quantity[count] = i, symbol, quantity
        positions.close[count], positions.factor[count], positions.value[count] = close, ws.factor[row], value
        worth += value
        count += 1
    return worth, count
