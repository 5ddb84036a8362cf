"""Terms that owners choose, of strategies, factors and portfolios: the limits that tables and requests share."""

from typing import Annotated

from pydantic import Field, StringConstraints

from countersign.models.names import Name, Prose
from countersign.models.ssh import PublicKey

SLUG_PATTERN = r"^[a-z0-9][a-z0-9_-]{2,48}$"

Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN)]
Title = Annotated[Name, Field(min_length=1, max_length=100)]
Description = Annotated[Prose, Field(max_length=5_000)]
OwnerKey = Annotated[PublicKey, Field(max_length=500)]
HoldingPeriod = Annotated[int, Field(ge=1, le=60, description="minimum sessions between rebalances")]
Capital = Annotated[int, Field(ge=100_000, le=100_000_000, description="CNY")]
Rate = Annotated[float, Field(ge=0, le=0.1)]
MeanIc = Annotated[float, Field(ge=-1, le=1)]
TopN = Annotated[int, Field(ge=5, le=500)]
