"""Target portfolios: their limits, for the checks at the wire and in the engine."""

SYMBOL_PATTERN = r"^[0-9]{6}\.(SH|SZ|BJ)$"
SYMBOL_LENGTH = 9
MAX_SYMBOLS = 5_000
SUM_TOLERANCE = 1e-9
