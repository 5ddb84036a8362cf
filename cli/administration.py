"""Administration: accounts, the journal's key, and the simulated clock."""

from datetime import datetime
from typing import Annotated

import typer

from cli.common import HomeOption, JsonOption, group, show
from models.errors import InputError
from settings import open_home
from store.accounts import create_invite, disable_user, set_tier
from tasks.rotation import rotate_key

admin = group("Accounts: who may come in, and with how many strategies. And the journal's signing key.")
clock = group("The simulated clock.")

WhoArgument = Annotated[str, typer.Argument(help="Nickname, e-mail or id of an account.")]


@admin.command("invite")
def admin_invite(
    uses: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many accounts it may open.")] = 1,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an invite code. It is shown here and never again."""
    opened = open_home(home)
    with opened.ledger.write() as db:
        code = create_invite(db, uses, opened.clock.now())
    show({"invite_code": code, "uses": uses}, as_json=as_json)


@admin.command("tier")
def admin_tier(who: WhoArgument, tier: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Give an account another tier."""
    opened = open_home(home)
    with opened.ledger.write() as db:
        user = set_tier(db, who, tier, opened.clock.now())
        show({"nickname": user.nickname, "tier": user.tier}, as_json=as_json)


@admin.command("disable")
def admin_disable(
    who: WhoArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Let it in again.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shut an account out. Its strategies go on as they are."""
    opened = open_home(home)
    with opened.ledger.write() as db:
        user = disable_user(db, who, opened.clock.now(), disabled=not undo)
        show({"nickname": user.nickname, "disabled": not undo}, as_json=as_json)


@admin.command("rotate-key")
def admin_rotate_key(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Sign the journal with a new key from now on. The old key announces it, and stays good for what it signed."""
    show(rotate_key(open_home(home)), as_json=as_json)


@clock.command("show")
def clock_show(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show what time it is in this home."""
    opened = open_home(home)
    show({"now": opened.clock.now().isoformat(), "clock": opened.clock.kind}, as_json=as_json)


@clock.command("set")
def clock_set(
    time: Annotated[str, typer.Argument(help="Such as 2026-01-05T18:15:00+08:00.")], home: HomeOption = None
) -> None:
    """Move the simulated clock."""
    try:
        now = datetime.fromisoformat(time)
    except ValueError:
        raise InputError("time", "a time such as 2026-01-05T18:15:00+08:00", time) from None
    open_home(home).clock.set(now)
