"""Settings: precedence of their sources, refusals by name, and secrets that are never repeated."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from countersign.models.errors import ConflictError, InputError
from countersign.settings import CONFIG_FILE, Settings, load_settings, locate_home, open_home

SECRET = "hunter2"  # noqa: S105 - it is not one


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settings of this machine, and none kept from another test."""
    for name in ("HOME", *(name.upper() for name in Settings.model_fields)):
        monkeypatch.delenv(f"COUNTERSIGN_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def write(home: Path, text: str) -> Path:
    home.mkdir(exist_ok=True)
    (home / CONFIG_FILE).write_text(text)
    return home


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = write(tmp_path / "home", 'market_provider = "tushare"\nclock = "simulated"\n')
    monkeypatch.setenv("COUNTERSIGN_MARKET_PROVIDER", "files")
    found = load_settings(home)
    assert (found.market_provider, found.clock, found.database_url) == ("files", "simulated", None)
    assert found.tushare_url == "https://api.tushare.pro"


def test_the_home_is_the_argument_or_the_environments_or_a_folder_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert locate_home().path == tmp_path / ".countersign"
    load_settings.cache_clear()
    monkeypatch.setenv("COUNTERSIGN_HOME", str(write(tmp_path / "there", 'clock = "simulated"\n')))
    assert (locate_home().path, locate_home().clock_kind) == (tmp_path / "there", "simulated")
    other = write(tmp_path / "other", "")
    assert (locate_home(other).path, locate_home(other).clock_kind) == (other, None)


def test_an_empty_variable_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_CLOCK", "")
    assert load_settings(tmp_path).clock is None


def test_places_follow_the_home_unless_they_are_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = locate_home(tmp_path / "home")
    assert home.database_url == f"sqlite:///{tmp_path / 'home' / 'ledger.db'}"
    assert home.lake_path == tmp_path / "home" / "lake"
    monkeypatch.setenv("COUNTERSIGN_LAKE_URL", "elsewhere/lake")
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", "postgresql://h/d")
    load_settings.cache_clear()
    home = locate_home(tmp_path / "home")
    assert (home.database_url, home.lake_path) == ("postgresql://h/d", tmp_path / "elsewhere/lake")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('clock = "atomic"', "setting clock"),
        ('market_provider = "bloomberg"', "setting market_provider"),
        ("no_such_thing = 1", "setting no_such_thing"),
        ('home = "/elsewhere"', "setting home"),
        ("clock = ", CONFIG_FILE),
        ("[database_url]\nhost = 1", "setting database_url"),
        (f"tushare_token = ['{SECRET}']", "setting tushare_token"),
        (f'clock = "{SECRET}"', "setting clock"),
    ],
)
def test_a_faulty_setting_is_named_and_its_value_not_repeated(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(InputError) as caught:
        load_settings(write(tmp_path / "home", text))
    assert caught.value.field == field
    assert SECRET not in str(caught.value)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    home = write(tmp_path / "home", f'database_url = "postgresql://u:{SECRET}@h/d"\ntushare_token = "{SECRET}"\n')
    found = load_settings(home)
    assert found.tushare_token
    assert found.tushare_token.get_secret_value() == SECRET
    for shown in (repr(found), str(found), repr(found.model_dump()), found.model_dump_json(), repr(locate_home(home))):
        assert SECRET not in shown


def test_settings_are_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings(tmp_path).clock = "system"  # type: ignore[misc]


def test_a_home_of_one_clock_refuses_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_CLOCK", "simulated")
    locate_home(tmp_path / "home").create()
    assert open_home(tmp_path / "home").clock.simulated
    monkeypatch.setenv("COUNTERSIGN_CLOCK", "system")
    load_settings.cache_clear()
    with pytest.raises(ConflictError, match="refuses the system one"):
        open_home(tmp_path / "home")


def test_a_home_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"home: expected .*init.*nowhere"):
        open_home(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
