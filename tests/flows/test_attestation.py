"""The attestation flow under a real Prefect server: seals, pushes, and says so when the remote does not take it."""

from pathlib import Path
from typing import Any

import pytest

from countersign.services.attestation.remote import remote_head
from countersign.services.attestation.sealing import is_pending
from countersign.store.home import Home
from countersign.store.lens.reader import open_lens
from tests.support.journals import check_journal, git
from tests.support.trading import trading

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

DAYS = trading().sessions


def attest(home: Home, **arguments: Any) -> dict[str, Any]:
    from countersign.flows.attestation import attestation_retry  # noqa: PLC0415 - imported where its server is known
    from countersign.settings import load_settings  # noqa: PLC0415

    load_settings.cache_clear()
    return attestation_retry(home=home.path, **arguments)


def with_remote(home: Home, remote: Path) -> None:
    with (home.path / "countersign.toml").open("a") as file:
        file.write(f'journal_remote = "{remote}"\n')


def test_the_flow_seals_waiting_signals_and_pushes(served_home: Path, fresh: Home, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    with_remote(fresh, tmp_path / "remote.git")
    sunday = DAYS[0].replace(day=DAYS[0].day - 1)
    assert attest(fresh, session=sunday)["sealed"] == 0
    row = attest(fresh)
    assert row["sealed"] > 0
    assert (row["push"], attest(fresh)["push"]) == ("pushed", "nothing")
    check_journal(fresh)
    assert not is_pending(fresh)


def test_a_remote_that_does_not_take_it_fails_the_run_and_loses_nothing(
    served_home: Path, fresh: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("countersign.services.attestation.seal_and_push.time.sleep", lambda _seconds: None)
    with_remote(fresh, tmp_path / "nowhere.git")
    with pytest.raises(Exception, match="commits are not pushed"):
        attest(fresh)
    check_journal(fresh)


def test_settling_discloses_and_the_lens_shows_it(served_home: Path, fresh: Home) -> None:
    from countersign.flows.settlement import settle_all_active_strategies  # noqa: PLC0415

    settle_all_active_strategies(home=fresh.path)
    check_journal(fresh)
    with open_lens(fresh.path) as lens, lens.use() as db:
        shas = db.execute("SELECT session, commit_sha FROM settlements ORDER BY session").fetchall()
        signals = db.execute("SELECT DISTINCT evidence, commit_sha IS NULL FROM signals").fetchall()
    assert [day for day, _ in shas] == list(DAYS)
    assert all(len(sha) == 40 for _, sha in shas)
    assert signals == [("server_only", False)]
    assert remote_head(fresh) is None
