"""Alpha factors in the ledger: their terms, their status, and the figures that were measured.

The values themselves lie in the lake (dataset `factor_values`); the ledger names the sessions with values, with the
time of each upload.
"""

from datetime import date, datetime
from uuid import uuid4

from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import AutoString

from countersign.models.enums import FactorStatus, FactorUniverse
from countersign.models.tables.columns import instant
from countersign.models.terms import Description, MeanIc, Title

# Sessions of values without which a factor cannot be validated.
MIN_SESSIONS = 120


def new_id() -> str:
    """Make a factor's id, which nobody can guess."""
    return str(uuid4())


class FactorTerms(SQLModel):
    """Terms of a factor, by its owner. Universe and claims never change; the platform checks none of them."""

    name: Title
    universe: FactorUniverse = Field(sa_type=AutoString)
    description: Description | None = None
    expression: Description | None = None
    claimed_ic_mean: MeanIc | None = None
    claimed_ic_ir: float | None = None


class FactorFigures(SQLModel):
    """Figures by validation; all null before it. Lists are JSON, as the report of the engine has them."""

    ic_mean: float | None = None
    ic_ir: float | None = None
    ic_decay: str | None = Field(default=None, description="JSON: ic_mean at lags 1 to 5")
    turnover: float | None = None
    sharpe: float | None = None
    fitness: float | None = None
    coverage: float | None = None
    data_days: int | None = None
    max_correlation: float | None = None
    newey_west_t: float | None = Field(default=None, description="t-statistic of ic_mean, lag 5; never a check")
    ic_sign_share: float | None = Field(default=None, description="share of sessions with IC of the mean's sign")
    yearly_stats: str | None = Field(default=None, description="JSON list")
    checks: str | None = Field(default=None, description="JSON list")
    reject_reason: str | None = None


class FactorTracking(SQLModel):
    """Figures by tracking after activation; null until it has enough sessions."""

    os_ic_mean_30d: float | None = None
    os_ic_mean_60d: float | None = None
    os_ic_mean_120d: float | None = None
    os_start_date: date | None = Field(default=None, description="first session that is out of sample")
    os_sessions: int = Field(default=0, description="sessions since that count")
    os_late: int = Field(default=0, description="sessions left out, whose values came when the price was known")


class Factor(FactorTerms, FactorFigures, FactorTracking, table=True):
    """A factor. `revision` counts the changes of its values: another revision means other values."""

    id: str = Field(default_factory=new_id, primary_key=True)
    owner_id: int = Field(foreign_key="user.id", index=True)
    status: FactorStatus = Field(default=FactorStatus.DRAFT, sa_type=AutoString, index=True)
    revision: int = 0
    created_at: datetime = instant()
    submitted_at: datetime | None = instant(default=None)
    validated_at: datetime | None = instant(default=None)
    validated_through: date | None = Field(default=None, description="newest session of the values validated")


class FactorSession(SQLModel, table=True):
    """A session for which a factor has values.

    `uploaded_at` is the time at which the last byte of these values came. Sending the same values again does not change
    it, other values do. It decides whether they came before the price was known.
    """

    __tablename__ = "factor_session"

    factor_id: str = Field(foreign_key="factor.id", primary_key=True)
    session: date = Field(primary_key=True)
    symbols: int
    values_sha256: str
    uploaded_at: datetime = instant()
