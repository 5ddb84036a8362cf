"""Wire shapes of strategies and signals."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from domain.signals import MAX_SYMBOLS, SUM_TOLERANCE, SYMBOL_PATTERN
from models.enums import ExecutionPrice, StrategyStatus, Universe
from models.strategies import SLUG_PATTERN
from models.wire.base import Answer, Day, Request, Text
