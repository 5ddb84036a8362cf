"""Settings: one frozen object, read at the edges (command line, deployments, flows, api/app.py) and nowhere else.

Environment variables `COUNTERSIGN_*` win over `countersign.toml` in the home folder. docs/settings.md documents each.
"""

from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, IPvAnyNetwork, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from countersign.models.errors import InputError
from countersign.store.clock import ClockKind
from countersign.store.home import CONFIG_FILE, Home

PREFIX = "COUNTERSIGN_"


class Settings(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    home: Path = Field(Path(".countersign"), description="home folder; from the environment or --home only")
    database_url: SecretStr | None = Field(None, description="ledger; default: SQLite in the home folder")
    lake_url: Path | None = Field(None, description="lake folder; default: `lake` in the home folder")
    clock: ClockKind | None = Field(None, description="system or simulated; fixed when the home is created (system)")
    market_provider: Literal["none", "files", "akshare", "tushare"] = Field(
        "none", description="where `market_data_ingest` fetches bars; none: bars are imported by hand"
    )
    market_folder: Path | None = Field(None, description="drop folder of the provider `files`; default: `drop` in home")
    tushare_token: SecretStr | None = Field(None, description="token of the provider `tushare`")
    journal_remote: SecretStr | None = Field(None, description="where the journal is pushed to; any address git knows")
    timestamp_authorities: tuple[str, ...] = Field((), description="addresses of RFC 3161 timestamp authorities")
    tushare_url: str = Field("https://api.tushare.pro", description="address of the provider `tushare`")

    public_url: str = Field("http://127.0.0.1:8000", description="where readers reach the api; stands in its proofs")
    jwt_secret: SecretStr | None = Field(
        None, description="secrets that sign tokens, newest first, separated by commas"
    )
    rate_limit: int = Field(12_000, ge=0, description="requests a minute for each key, and each address without one")
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        (), description="addresses and networks of proxies whose X-Forwarded-For is believed; no other is"
    )

    operator_addresses: tuple[SecretStr, ...] = Field((), description="where the operator's own notices are sent")
    private_addresses: bool = Field(False, description="let users' addresses lead to this machine or private networks")
    metrics: bool = Field(False, description="serve /metrics for Prometheus; keep it from the public")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - not a source of ours
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - not a source of ours
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order: what a caller passes, the environment, the home's file."""
        given = init_settings()
        home = Path(given.get("home") or env_settings().get("home") or cls.model_fields["home"].default)
        file = TomlConfigSettingsSource(settings_cls, toml_file=home.expanduser() / CONFIG_FILE)
        if "home" in file():
            raise InputError("setting home", f"--home or {PREFIX}HOME instead: {CONFIG_FILE} lies in the home already")
        return init_settings, env_settings, file


@cache
def load_settings(home: Path | None = None) -> Settings:
    """Read the settings of a home (default: COUNTERSIGN_HOME, else `.countersign` in the current folder).

    InputError names the faulty setting; values are never repeated, as they may be secrets.
    """
    given: dict[str, Any] = {"home": home} if home else {}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]).lower()
        raise InputError(f"setting {field}", first["msg"]) from None
    except ValueError as error:
        raise InputError(CONFIG_FILE, "a TOML file", error) from None


def locate_home(home: Path | None = None) -> Home:
    """Return the home that the settings describe, whether it exists yet or not."""
    settings = load_settings(home)
    path = settings.home.expanduser().resolve()
    url = settings.database_url.get_secret_value() if settings.database_url else f"sqlite:///{path / 'ledger.db'}"
    lake = (settings.lake_url.expanduser() if settings.lake_url else path / "lake").resolve()
    remote = settings.journal_remote.get_secret_value() if settings.journal_remote else None
    return Home(path, url, lake, settings.clock, remote, settings.timestamp_authorities)


def open_home(home: Path | None = None) -> Home:
    """Return an existing home, checked: its schema is this version's and its clock is the one it was created with."""
    found = locate_home(home)
    found.check()
    return found
