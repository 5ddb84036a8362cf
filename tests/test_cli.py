"""The command as people type it: its exit code, one line of error on stderr."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import jwt
import polars as pl
import pytest
from sqlmodel import col, select

from countersign import cli
from countersign.api.accounts.tokens import Tokens
from countersign.models.tables.accounts import User
from countersign.models.tables.operations import AuditEntry
from countersign.settings import load_settings, open_home
from countersign.store.clock import wall_clock
from tests.support import listed
from tests.support.services import Reply, serve
from tests.support.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parent.parent


class Done(NamedTuple):
    """Result of a command."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def countersign(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The command in this process: home first, then words, and the environment by name."""
    for name in [name for name in os.environ if name.startswith(("COUNTERSIGN_", "PREFECT_"))]:
        monkeypatch.delenv(name)

    def run(home: Path, *words: str, **environment: str) -> Done:
        capfd.readouterr()
        load_settings.cache_clear()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            code = cli.run([*words, "--home", str(home)])
        return Done(code, *capfd.readouterr())

    return run


def test_it_is_a_program(tmp_path: Path) -> None:
    def countersign(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "countersign.cli", *words]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)

    done = countersign("init", "--json", "--home", str(tmp_path / "home"))
    assert (done.returncode, json.loads(done.stdout)["new"], done.stderr) == (0, True, "")
    wrong = countersign("nonsense")
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)


def test_a_home_from_nothing_to_bars(tmp_path: Path, countersign: Command) -> None:
    home = tmp_path / "home"
    before = countersign(home, "clock", "show")
    assert (before.returncode, before.stdout) == (2, "")
    assert before.stderr.startswith("countersign: home: expected an existing home folder")
    assert before.stderr.count("\n") == 1

    made = countersign(home, "init", "--json", COUNTERSIGN_CLOCK="simulated")
    assert json.loads(made.stdout) == {"home": str(home), "new": True, "clock": "simulated"}
    again = countersign(home, "init", "--json")
    assert json.loads(again.stdout)["new"] is False

    bars = tmp_path / "bars.csv"
    day = {"symbol": "600000.SH", "date": "2025-01-02", "open": 10.0, "high": 10.3, "low": 9.9, "close": 10.2}
    pl.DataFrame([{**day, "volume": 1e6, "colour": "red"}]).write_csv(bars)
    refused = countersign(home, "market", "import", str(bars))
    assert refused.returncode == 2
    assert "colour" in refused.stderr

    pl.DataFrame([{**day, "volume": 1e6}]).write_csv(bars)
    imported = countersign(home, "market", "import", str(bars), "--json")
    assert imported.returncode == 0, imported.stderr
    assert json.loads(imported.stdout)["rows"] == 1
    lake = pl.read_parquet(home / "lake" / "bars" / "session=2025-01-02" / "*.parquet")
    assert lake.select("symbol", "session", "close").rows() == [("600000.SH", date(2025, 1, 2), 10.2)]


def test_klines_from_a_file_to_the_lake(tmp_path: Path, countersign: Command) -> None:
    home, file = tmp_path / "home", tmp_path / "btc.csv"
    countersign(home, "init")
    bar = {"open": 10.0, "high": 10.3, "low": 9.9, "close": 10.2, "volume": 5}
    pl.DataFrame([bar | {"timestamp": f"2025-01-02T{hour:02}:00:00Z"} for hour in (3, 4, 6)]).write_csv(file)
    command = ("market", "import-klines", str(file), "--exchange", "Binance", "--pair", "btc/usdt", "--interval")
    for more, words in (
        (("15m",), "interval: expected bars 15m apart, got bars at least 1:00:00 apart"),
        (("1h",), "opened_at: expected a bar every 1h, unless holes are let in, got none between 2025-01-02 04:00:00"),
    ):
        refused = countersign(home, *command, *more)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.startswith(f"countersign: {words}")
    done = json.loads(countersign(home, *command, "1h", "--with-holes", "--json").stdout)
    assert (done["series"], done["rows"], done["added"]) == ("binance-BTC-USDT-1h", 3, 3)
    lake = pl.read_parquet(home / "lake" / "klines" / "pair=binance-BTC-USDT-1h" / "*.parquet")
    assert lake["close"].to_list() == [10.2] * 3


def test_instruments_from_a_file_to_the_ledger(tmp_path: Path, countersign: Command) -> None:
    home, file = tmp_path / "home", tmp_path / "listings.csv"
    assert countersign(home, "init").returncode == 0
    file.write_text("symbol,delisted,delisting_value\n600999.SH,2025-03-07,0.1339*600150.SH\n204001.SH,,\n")
    refused = countersign(home, "market", "import-instruments", str(file))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "listings.csv, line 3, column symbol: expected a share" in refused.stderr
    assert "got 204001.SH, a repo" in refused.stderr
    file.write_text("symbol,delisted,delisting_value\n600999.SH,2025-03-07,0.1339*600150.SH\n")
    done = countersign(home, "market", "import-instruments", str(file), "--json")
    assert json.loads(done.stdout) == {"what": "instruments", "rows": 1, "changed": 1}


def test_the_simulated_clock_is_set_and_the_systems_is_not(tmp_path: Path, countersign: Command) -> None:
    simulated, real = tmp_path / "simulated", tmp_path / "real"
    countersign(simulated, "init", COUNTERSIGN_CLOCK="simulated")
    assert countersign(simulated, "clock", "set", "2025-01-02T18:15:00+08:00").returncode == 0
    shown = json.loads(countersign(simulated, "clock", "show", "--json").stdout)
    assert shown == {"now": "2025-01-02T10:15:00+00:00", "clock": "simulated"}
    naive = countersign(simulated, "clock", "set", "2025-01-02T18:15:00")
    assert (naive.returncode, "zone" in naive.stderr) == (2, True)

    countersign(real, "init")
    assert countersign(real, "clock", "set", "2025-01-02T18:15:00+08:00").returncode == 1
    other = countersign(real, "clock", "show", COUNTERSIGN_CLOCK="simulated")
    assert other.returncode == 1
    assert "created with the system clock" in other.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("run", "nonsense"),
        ("run", "settle", "--session", "yesterday"),
        ("factors", "revalidate", "--from", "2024-01-02"),
    ],
)
def test_wrong_use_is_exit_code_2_and_one_line(tmp_path: Path, countersign: Command, words: tuple[str, ...]) -> None:
    done = countersign(tmp_path, *words)
    assert done.returncode == 2
    assert done.stderr.startswith("countersign: ")
    assert done.stderr.count("\n") == 1


def test_the_secret_of_the_tokens_is_rotated_and_the_old_ones_still_verify(
    tmp_path: Path, countersign: Command
) -> None:
    home, file = tmp_path / "home", tmp_path / "home" / "keys" / "jwt"
    countersign(home, "init")
    tokens, user, names = Tokens(home), User(id=7, nickname="x", created_at=wall_clock()), []
    given = [tokens.give(user, "refresh", "login")]
    for older in range(2):
        done = countersign(home, "admin", "rotate-token-key", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        # The same object as before, as in an api that goes on running.
        given.append(tokens.give(user, "refresh", "login"))
        names.append(tuple(json.loads(done.stdout).values()))
        assert names[-1] == (*(jwt.get_unverified_header(token)["kid"] for token in given[-2:]), older)
    assert all(tokens.read(token, "refresh") for token in given)
    assert (len(file.read_text().split()), file.stat().st_mode & 0o777) == (3, 0o600)
    with open_home(home).ledger.read() as db:
        entries = db.exec(select(AuditEntry).order_by(col(AuditEntry.id))).all()
    assert [(entry.action, entry.subject) for entry in entries] == [("token key rotated", new) for _, new, _ in names]
    before = file.read_bytes()
    refused = countersign(home, "admin", "rotate-token-key", COUNTERSIGN_JWT_SECRET="s" * 40)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert refused.stderr.startswith("countersign: setting jwt_secret: it rules")
    assert file.read_bytes() == before


def test_a_feed_is_entered_listed_paused_and_removed_and_its_key_never_shown(
    tmp_path: Path, countersign: Command
) -> None:
    home, key = tmp_path / "home", "9f8e7d6c5b4a3928"
    countersign(home, "init")
    added = countersign(
        home, "source", "add", "mine", "--url", "https://feed.example", "--type", "SCALPING", COUNTERSIGN_SOURCE_KEY=key
    )
    assert added.returncode == 0
    listed = countersign(home, "source", "list", "--json")
    [row] = json.loads(listed.stdout) if listed.stdout.startswith("[") else [json.loads(listed.stdout)]
    assert (row["name"], row["state"], row["every_seconds"], row["good_at"]) == ("mine", "polled", 60, None)
    assert row["missing_fields"] == []
    for words, state in ((("pause", "mine"), "paused"), (("pause", "mine", "--undo"), "polled")):
        assert countersign(home, "source", *words).returncode == 0
        assert f"state {state}" in countersign(home, "source", "list").stdout
    assert countersign(home, "source", "remove", "mine").returncode == 0
    assert countersign(home, "source", "list").stdout.strip() == ""
    again = countersign(home, "source", "remove", "mine")
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert not any(key in each for done in (added, listed) for each in (done.stdout, done.stderr))


def test_a_feed_is_tried_before_anything_is_kept(tmp_path: Path, countersign: Command) -> None:
    home, mapping, key = tmp_path / "home", tmp_path / "mapping.json", "9f8e7d6c5b4a3928"
    items = [listed.ITEM | {"note": key}, listed.ITEM | {"id": 2, "sl": 0}]
    mapping.write_text(json.dumps(listed.MAPPING | {"key_param": "token"}))

    def answer(_path: str, query: dict[str, str]) -> Reply:
        return Reply({"data": items}) if query["token"] == key else Reply(b"", 403)

    def add(url: str, *words: str, key: str = key) -> Done:
        adapter = ("--adapter", "generic_json", "--mapping", str(mapping))
        return countersign(home, "source", "add", "mine", "--url", url, *adapter, *words, COUNTERSIGN_SOURCE_KEY=key)

    with serve(answer) as url:
        told, as_json = add(url, "--try"), add(url, "--try", "--json")
        refused = add(url, "--try", key="another")
        items.pop(0)
        nothing = add(url, "--try")
        assert not home.exists()
        countersign(home, "init")
        before = (home / "ledger.db").read_bytes()
        assert add(url, "--try", "--json").returncode == 1
        assert (home / "ledger.db").read_bytes() == before
        assert add(url).returncode == 0
    assert [done.returncode for done in (told, as_json, refused, nothing)] == [0, 0, 1, 1]
    lines = told.stdout.splitlines()
    assert lines[0].startswith("item 1  becomes signal  id 1  time 2026-01-05T00:00:00+00:00  exchange binance  pair ")
    assert lines[0].endswith("direction LONG  entry 100, 101  stop 95  targets 105, 110, 115  type None")
    assert lines[1] == "item 2  becomes quarantined  id 2  reason stop_loss: expected a positive number, got 0"
    assert lines[2] == "signals 1  quarantined 1  repeated 0  missing_fields none  window_minutes 20"
    found = json.loads(as_json.stdout)
    assert ([row["item"] for row in found.pop("items")], found) == (
        [1, 2],
        {"signals": 1, "quarantined": 1, "repeated": 0, "missing_fields": [], "window_minutes": 20},
    )
    assert (refused.stdout, refused.stderr) == ("", "countersign: mine: the key is bad: HTTP 403\n")
    assert nothing.stdout.splitlines()[-1].startswith("signals 0  quarantined 1")
    assert not any(word in text for done in (told, as_json, refused) for word in (key, "another") for text in done[1:])
    bad = countersign(home, "source", "add", "x", "--url", url, "--adapter", "generic_json", "--try")
    assert (bad.returncode, bad.stderr.count("\n")) == (2, 1)


def test_a_home_is_backed_up_and_restored(tmp_path: Path, countersign: Command) -> None:
    home, place, again = (tmp_path / name for name in ("home", "backup", "again"))
    assert countersign(home, "init", COUNTERSIGN_CLOCK="simulated").returncode == 0
    (home / "countersign.toml").write_text('tushare_token = "s3cret"\n')
    load_settings.cache_clear()
    made = countersign(home, "backup", str(place), "--json")
    assert made.returncode == 0
    checked = countersign(home, "backup", str(place), "--check", "--json")
    assert json.loads(checked.stdout) == json.loads(made.stdout)
    done = countersign(again, "restore", str(place))
    assert done.returncode == 0
    assert "s3cret" not in made.stdout + done.stdout + done.stderr
    assert (again / "countersign.toml").read_text() == 'tushare_token = "s3cret"\n'
    assert json.loads(countersign(again, "admin", "journal", "show", "--json").stdout)["stopped"] == ""
    refused = countersign(again, "restore", str(place))
    assert (refused.returncode, "empty folder" in refused.stderr) == (2, True)
