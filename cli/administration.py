"""Administration: accounts, the keys that sign the journal and the tokens, and the simulated clock."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from countersign.cli.common import HomeOption, JsonOption, group, open_home, show
from countersign.cli.journal import journal
from countersign.models.enums import TicketStatus
from countersign.models.errors import InputError, RefusedError

if TYPE_CHECKING:
    from countersign.models.tables.tickets import Ticket

admin = group(
    "Accounts: who may come in, and with how many strategies. And the keys that sign the journal and the tokens."
)
ticket = group("Tickets: what accounts ask, and what they are told.")
clock = group("The simulated clock.")
admin.add_typer(ticket, name="ticket")
admin.add_typer(journal, name="journal")

CODE_USE = "POST /api/v1/auth/password"
NumberArgument = Annotated[int, typer.Argument(help="Id of a ticket.", min=1)]
WhoArgument = Annotated[str, typer.Argument(help="Nickname, e-mail or id of an account.")]


@admin.command("invite")
def admin_invite(
    uses: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many accounts it may open.")] = 1,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an invite code. It is shown here and never again."""
    from countersign.services.accounts.accounts import create_invite

    opened = open_home(home)
    with opened.ledger.write() as db:
        code = create_invite(db, uses, opened.clock.now())
    show({"invite_code": code, "uses": uses}, as_json=as_json)


@admin.command("tier")
def admin_tier(who: WhoArgument, tier: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Give an account another tier."""
    from countersign.services.accounts.accounts import set_tier

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
    from countersign.services.accounts.accounts import disable_user

    opened = open_home(home)
    with opened.ledger.write() as db:
        user = disable_user(db, who, opened.clock.now(), disabled=not undo)
        show({"nickname": user.nickname, "disabled": not undo}, as_json=as_json)


@admin.command("accounts")
def admin_accounts(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List all accounts, oldest first."""
    from countersign.services.accounts.custody import list_accounts

    with open_home(home).ledger.read() as db:
        show(list_accounts(db), as_json=as_json)


@admin.command("password-code")
def admin_password_code(who: WhoArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Make a code with which an account's holder sets a new password. It is shown here and never again.

    Whoever has the code has the account: give it to nobody but its holder.
    """
    from countersign.services.accounts.custody import give_password_code

    opened = open_home(home)
    with opened.ledger.write() as db:
        user, code = give_password_code(db, who, opened.clock.now())
        told = {"nickname": user.nickname, "code": code, "good_until": user.code_expires_at, "use": CODE_USE}
    show(told, as_json=as_json)


@admin.command("revoke-keys")
def admin_revoke_keys(who: WhoArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Revoke all API keys of an account, for good, with what they added."""
    from countersign.services.accounts.custody import revoke_keys

    opened = open_home(home)
    with opened.ledger.write() as db:
        user, count = revoke_keys(db, who, opened.clock.now())
        show({"nickname": user.nickname, "revoked": count}, as_json=as_json)


@admin.command("give-strategy")
def admin_give_strategy(
    slug: Annotated[str, typer.Argument(help="A strategy of the account unclaimed.")],
    who: WhoArgument,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an account a strategy that only the journal knew after a restore. Its new owner is told."""
    from countersign.models.tables.accounts import User
    from countersign.services.accounts.custody import give_strategy

    opened = open_home(home)
    with opened.ledger.write() as db:
        given = give_strategy(db, slug, who, opened.clock.now())
        show({"strategy": given.slug, "owner": db.get_one(User, given.owner_id).nickname}, as_json=as_json)


@admin.command("rotate-key")
def admin_rotate_key(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Sign the journal with a new key from now on. The old key announces it, and stays good for what it signed."""
    from countersign.services.attestation.key_rotation import rotate_key

    show(rotate_key(open_home(home)), as_json=as_json)


@admin.command("prefect-login")
def admin_prefect_login(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print the words that log in to Prefect's UI. Whoever has them can run anything as this home's user."""
    from countersign.store.prefect_login import ensure_login

    show({"login": ensure_login(open_home(home).path)}, as_json=as_json)


@admin.command("rotate-token-key")
def admin_rotate_token_key(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Sign the api's tokens with a new secret from now on. What the older ones signed stays good until it expires."""
    from countersign.models.tables.operations import OPERATOR, AuditEntry
    from countersign.settings import load_settings
    from countersign.store.signing_keys import name_secret, rotate_secrets

    opened = open_home(home)
    if load_settings(home).jwt_secret is not None:
        raise RefusedError(
            "setting jwt_secret: it rules, and `keys/jwt` is not looked at; put a new secret first in it"
        )
    with opened.ledger.write() as db:
        new, old, *rest = map(name_secret, rotate_secrets(opened.path))
        db.add(AuditEntry(at=opened.clock.now(), actor=OPERATOR, action="token key rotated", subject=new))
    show({"old_key": old, "new_key": new, "older_keys": len(rest)}, as_json=as_json)


@ticket.command("list")
def ticket_list(
    status: Annotated[TicketStatus | None, typer.Option(help="Only those of this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List tickets, newest first."""
    from countersign.models.tables.accounts import User
    from countersign.services.accounts.tickets import list_tickets

    opened = open_home(home)
    with opened.ledger.read() as db:
        found = list_tickets(db, user_id=None, status=status, limit=limit)
        show([_ticket(each, db.get_one(User, each.user_id).nickname) for each in found], as_json=as_json)


@ticket.command("reply")
def ticket_reply(
    number: NumberArgument,
    text: Annotated[str, typer.Argument(help="What its account is told.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reply to a ticket. It stays open until it is resolved."""
    _answer(number, text, home, resolved=False, as_json=as_json)


@ticket.command("resolve")
def ticket_resolve(
    number: NumberArgument,
    text: Annotated[str | None, typer.Argument(help="What its account is told, if anything.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Resolve a ticket, for good."""
    _answer(number, text, home, resolved=True, as_json=as_json)


def _answer(number: int, text: str | None, home: Path | None, *, resolved: bool, as_json: bool) -> None:
    from countersign.models.tables.accounts import User
    from countersign.services.accounts.tickets import answer_ticket

    opened = open_home(home)
    with opened.ledger.write() as db:
        found = answer_ticket(db, number, text, opened.clock.now(), resolved=resolved)
        show(_ticket(found, db.get_one(User, found.user_id).nickname), as_json=as_json)


def _ticket(found: Ticket, nickname: str) -> dict[str, Any]:
    rest = {name: getattr(found, name) for name in type(found).model_fields if name not in {"id", "user_id"}}
    return {"id": found.id, "nickname": nickname, **rest}


@admin.command("grant")
def admin_grant(
    who: WhoArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an account enter and change external sources over the api."""
    from countersign.services.accounts.accounts import grant_admin

    opened = open_home(home)
    with opened.ledger.write() as db:
        user = grant_admin(db, who, opened.clock.now(), granted=not undo)
        show({"nickname": user.nickname, "admin": user.is_admin}, as_json=as_json)


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
