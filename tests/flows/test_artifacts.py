from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterId

from countersign.flows.artifacts import MOST_ROWS, artifact_key, show_table


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("settle",), "settle"),
        (("Quality", "CSI 300"), "quality-csi-300"),
        (("__a__", "b--c"), "a-b-c"),
        (("沪深300",), "300"),
    ],
)
def test_keys_pass_prefects_rules(words: tuple[str, ...], key: str) -> None:
    assert artifact_key(*words) == key


def test_a_table_is_shown_and_a_long_one_cut_with_a_word(served_home: Path) -> None:
    row = {"session": date(2025, 1, 2), "nav": Decimal("1000000.00"), "orders": 3}

    @flow
    def showing() -> UUID | None:
        return show_table([row] * (MOST_ROWS + 1), "Settled", "NAV", description="What was settled.")

    artifact_id = showing()
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(id=ArtifactFilterId(any_=[artifact_id]))
        (artifact,) = client.read_artifacts(artifact_filter=wanted)
    assert artifact.key == "settled-nav"
    assert '"nav": "1000000.00"' in str(artifact.data)
    assert str(artifact.data).count("2025-01-02") == MOST_ROWS
    assert (artifact.description or "").endswith("The first 500 of 501 rows.")
