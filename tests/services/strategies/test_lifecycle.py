"""The state machine of strategies, and the same terms again."""

from datetime import UTC, datetime

import pytest
from sqlmodel import select

from countersign.models.enums import StrategyStatus
from countersign.models.errors import ConflictError, InputError, RefusedError
from countersign.models.tables.operations import AuditEntry
from countersign.services.strategies.lifecycle import require_strategy
from countersign.store.home import Home
from tests.support.strategies import move, open_strategies, status_of

NOW = datetime(2025, 1, 2, tzinfo=UTC)
PENDING, ACTIVE, PAUSED, RETIRED = StrategyStatus
WAYS = {PENDING: [], ACTIVE: [ACTIVE], PAUSED: [ACTIVE, PAUSED], RETIRED: [RETIRED]}
ALLOWED = {
    (PENDING, ACTIVE),
    (PENDING, RETIRED),
    (ACTIVE, PAUSED),
    (ACTIVE, RETIRED),
    (PAUSED, ACTIVE),
    (PAUSED, RETIRED),
}


@pytest.mark.parametrize("since", list(StrategyStatus))
def test_a_strategy_takes_the_allowed_steps_of_status_alone(home: Home, since: StrategyStatus) -> None:
    for status in StrategyStatus:
        slug = f"from-{since}-to-{status}"
        open_strategies(home, NOW, slug)
        for step in WAYS[since]:
            move(home, slug, step, NOW)
        if (since, status) in ALLOWED:
            move(home, slug, status, NOW)
            assert status_of(home, slug) == status
        else:
            with pytest.raises(RefusedError, match=f"status: {slug} is {since} and can become"):
                move(home, slug, status, NOW)
            assert status_of(home, slug) == since


def test_every_step_is_on_record(home: Home) -> None:
    open_strategies(home, NOW, "one")
    for status in (ACTIVE, PAUSED, ACTIVE, RETIRED):
        move(home, "one", status, NOW)
    with home.ledger.read() as db:
        actions = db.exec(select(AuditEntry.action).order_by("id")).all()
        strategy = require_strategy(db, "one")
    assert actions == ["strategy active", "strategy paused", "strategy active", "strategy retired"]
    assert (strategy.activated_at, strategy.retired_at) == (NOW, NOW)


def test_the_same_terms_again_are_fine_and_others_a_conflict(home: Home) -> None:
    open_strategies(home, NOW, "one")
    open_strategies(home, NOW, "one")
    with pytest.raises(ConflictError, match="one is taken"):
        open_strategies(home, NOW, "one", holding_period=2)
    with home.ledger.read() as db, pytest.raises(InputError, match="nobody"):
        require_strategy(db, "nobody")
