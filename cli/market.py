"""Market data: import it, simulate it, fetch it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from countersign.cli.common import HomeOption, JsonOption, SessionOption, day_of, group, open_home, show
from countersign.cli.operations import StageName, run
from countersign.domain.market.profiles import PROFILES
from countersign.models.klines import series_of
from countersign.store.clock import wall_clock

market = group("Market data: import it, simulate it, fetch it.")

FileArgument = Annotated[Path, typer.Argument(help="Parquet or CSV file.")]


def _importer(kind: str, module: str = "countersign.services.market.imports") -> Callable[..., None]:
    def command(path: FileArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
        opened = open_home(home)
        imports = import_module(module)
        show(getattr(imports, kind)(opened, path, opened.clock.now()), as_json=as_json)

    return command


@market.command("import")
def market_import(
    path: Annotated[Path, typer.Argument(help="Parquet or CSV file; with --from also Excel and others, or a folder.")],
    profile: Annotated[
        str | None, typer.Option("--from", help=f"The tool that wrote it: {', '.join(PROFILES)}.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import bars: symbol, session (or date), open, high, low, close, volume, and more.

    With --from, files as a tool exports them: what was taken for what is printed first. Without it nothing is guessed.
    """
    opened = open_home(home)
    from countersign.services.market.imports import import_bars

    show(import_bars(opened, path, opened.clock.now(), profile=profile), as_json=as_json)


for _name, _kind, _help in (
    ("import-index", "import_index", "Import index levels: index, session, close."),
    ("import-universe", "import_universe", "Import universes: universe, symbol, since, until (null while it lasts)."),
    ("import-actions", "import_actions", "Import corporate actions: symbol, session, cash, bonus."),
):
    market.command(_name, help=_help)(_importer(_kind))
market.command(
    "import-instruments",
    help="Import instruments: symbol, and name, kind, board, listed, delisted, delisting_value (CNY a share, or "
    "ratio*successor), each where it is known.",
)(_importer("import_instruments", "countersign.services.market.instrument_imports"))


@market.command("import-klines")
def market_import_klines(
    path: Annotated[Path, typer.Argument(help="Parquet or CSV file, also as .gz or .zip, or a folder of them.")],
    exchange: Annotated[str, typer.Option(help="As the feeds call it, such as binance.")],
    pair: Annotated[str, typer.Option(help="Coin and currency, such as BTC/USDT.")],
    interval: Annotated[str, typer.Option(help="How long a bar is: 1m, 15m, 1h, 1d and the like.")],
    holes: Annotated[bool, typer.Option("--with-holes", help="Let bars be missing in between.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import klines of a crypto pair: opened_at (or date, timestamp; UTC), open, high, low, close, volume.

    Or as Binance, OKX and Bybit publish them, with or without a header line. They are added to what is there; a bar of
    the same time takes the place of the known one. A bar that is still under way is left out. Of a folder each file is
    imported, by name, up to one that is faulty.
    """
    series = series_of(exchange, pair, interval)
    opened = open_home(home)
    from rich.console import Console
    from rich.progress import track

    from countersign.services.external.kline_imports import import_kline_files

    console = Console(stderr=True)

    def shown(paths: Sequence[Path]) -> Iterable[Path]:
        return track(paths, series.name, console=console, disable=not console.is_terminal)

    show(import_kline_files(opened, path, series, wall_clock(), holes=holes, track=shown), as_json=as_json)


@market.command("simulate")
def market_simulate(
    symbols: Annotated[int, typer.Option(min=20, max=10_000)] = 800,
    sessions: Annotated[int, typer.Option(min=2, max=5_000)] = 500,
    seed: int = 7,
    end: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last session.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a sample market: seeded, so that the same options give the same prices."""
    opened = open_home(home)
    from countersign.services.market.imports import simulate_market

    done = simulate_market(opened, opened.clock.now(), symbols=symbols, sessions=sessions, seed=seed, end=day_of(end))
    show(done, as_json=as_json)


@market.command("ingest")
def market_ingest(session: SessionOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Fetch a session from the configured provider and check it."""
    run(StageName.MARKET_INGEST, session, home, as_json)
