"""Wire shapes of strategies."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from countersign.models import terms
from countersign.models.enums import ExecutionPrice, StrategyStatus, Universe
from countersign.models.ssh import KEY_EXAMPLE
from countersign.models.wire.base import Answer, Moment, Request, word_of

StrategyName = Annotated[terms.Title, Field(examples=["HS300 ML Alpha"])]
Description = Annotated[terms.Description, Field(examples=["Gradient-boosted ranks of the HS300, every ten sessions"])]


OwnerKey = Annotated[
    terms.OwnerKey,
    Field(
        examples=[KEY_EXAMPLE],
        description="the owner's Ed25519 public key, a line as ssh-keygen writes it; then only signals signed with it "
        "are taken, and the key stands in the journal for good",
    ),
]


class NewStrategy(Request):
    """A strategy to open. Name, description and is_public can change later, `owner_key` until the first signal."""

    name: StrategyName
    slug: terms.Slug = Field(examples=["hs300-ml-alpha"])
    description: Description | None = None
    universe: Annotated[Universe, word_of(Universe)] = Universe.HS300
    execution_price: Annotated[ExecutionPrice, word_of(ExecutionPrice)] = ExecutionPrice.OPEN
    holding_period: terms.HoldingPeriod = Field(default=10, examples=[10])
    initial_capital: terms.Capital = Field(default=1_000_000, examples=[1_000_000])
    commission_rate: terms.Rate = Field(default=0.0003, examples=[0.0003])
    slippage_rate: terms.Rate = Field(default=0.002, examples=[0.002])
    is_public: bool = True
    owner_key: OwnerKey | None = None


class StrategyChange(Request):
    """Change of a strategy; anything else of it is immutable, and `owner_key` from the first signal on."""

    name: StrategyName | None = None
    description: Description | None = None
    status: Annotated[StrategyStatus, word_of(StrategyStatus)] | None = Field(default=None, examples=["paused"])
    is_public: bool | None = None
    owner_key: OwnerKey | None = None

    @model_validator(mode="after")
    def _only_descriptions_and_keys_are_emptied(self) -> Self:
        for name in self.model_fields_set - {"description", "owner_key"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name}: expected a value, got null; leave it out to keep it")
        return self


class StrategyAnswer(Answer):
    """A strategy."""

    slug: str = Field(examples=["hs300-ml-alpha"])
    name: str = Field(examples=["HS300 ML Alpha"])
    description: str | None = Field(examples=["Gradient-boosted ranks of the HS300, every ten sessions"])
    universe: Universe
    execution_price: ExecutionPrice
    holding_period: int = Field(examples=[10])
    initial_capital: int = Field(examples=[1_000_000])
    commission_rate: float = Field(examples=[0.0003])
    slippage_rate: float = Field(examples=[0.002])
    status: StrategyStatus
    is_public: bool
    owner_key: OwnerKey | None
    activated_at: Moment | None
    retired_at: Moment | None
    created_at: Moment


class StrategiesAnswer(Answer):
    """Strategies, oldest first."""

    strategies: list[StrategyAnswer]
