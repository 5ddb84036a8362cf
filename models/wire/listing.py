"""Wire shape of the query for public strategies: filters and order."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from countersign.models.enums import ExecutionPrice, SortKey, StrategyStatus, Universe
from countersign.models.names import compose
from countersign.models.wire.base import Text

# In composed form, as names are kept.
Words = Annotated[Text, AfterValidator(compose), Field(min_length=1, max_length=100)]
MAX_COUNT = 2**31 - 1


class StrategiesQuery(BaseModel):
    """Filters and order of a list of public strategies. A strategy must pass all given filters."""

    universe: Universe | None = Field(default=None, examples=["hs300"])
    status: StrategyStatus | None = Field(default=None, examples=["active"])
    execution_price: ExecutionPrice | None = Field(default=None, examples=["open"])
    creator: Words | None = Field(default=None, description="nickname", examples=["user_a1b2c3d4"])
    has_claimed: bool | None = Field(default=None, description="whether there is a claimed performance")
    min_trading_days: int | None = Field(
        default=None, ge=0, le=MAX_COUNT, description="settled sessions, at least", examples=[20]
    )
    search: Words | None = Field(
        default=None, description="part of the name or slug; ASCII letters in either case", examples=["alpha"]
    )
    order: SortKey = Field(default=SortKey.NEWEST, description="best first; those without the figure last")
    limit: int = Field(default=50, ge=1, le=200, description="most items to return", examples=[50])
    offset: int = Field(default=0, ge=0, le=MAX_COUNT, description="items to skip", examples=[0])
