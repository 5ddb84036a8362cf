"""Tickets: filing, reading, owners, a disabled account's rights; and the operator's answers."""

import json

import httpx
from sqlmodel import select
from typer.testing import CliRunner

from countersign.cli import app
from countersign.models.tables.operations import AuditEntry
from countersign.services.accounts.accounts import disable_user
from countersign.store.home import Home
from tests.support.serving import invite_code

TICKET = {"title": "no settlement", "description": "since Monday", "category": "data"}


def ask(home: Home, *arguments: str) -> object:
    done = CliRunner().invoke(app, ["admin", "ticket", *arguments, "--home", str(home.path), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_a_ticket_is_filed_listed_and_answered(desk: Home, web: httpx.Client, me: dict[str, str]) -> None:
    answer = web.post("/tickets", json=TICKET, headers=me)
    assert answer.status_code == 201
    filed = answer.json()
    assert filed == TICKET | {
        "id": filed["id"],
        "user_id": filed["user_id"],
        "status": "open",
        "admin_reply": None,
        "resolved_at": None,
        "created_at": "2025-01-02T01:00:00+00:00",
    }
    again = web.post("/tickets", json={"title": "account disabled", "category": "other"}, headers=me).json()
    assert (again["id"] != filed["id"], again["description"]) == (True, "")
    assert [each["id"] for each in web.get("/tickets", headers=me).json()["tickets"]] == [again["id"], filed["id"]]

    listed = ask(desk, "list", "--status", "open")
    assert [(each["id"], each["title"]) for each in listed] == [  # type: ignore[attr-defined]
        (int(again["id"]), "account disabled"),
        (int(filed["id"]), "no settlement"),
    ]
    ask(desk, "reply", filed["id"], "looking into it")
    ask(desk, "resolve", again["id"])
    assert [each["id"] for each in web.get("/tickets?status=answered", headers=me).json()["tickets"]] == [filed["id"]]
    shown = web.get(f"/tickets/{again['id']}", headers=me).json()
    assert (shown["status"], shown["resolved_at"]) == ("resolved", "2025-01-02T01:00:00+00:00")
    assert web.get("/tickets?status=open", headers=me).json() == {"tickets": []}

    with desk.ledger.read() as db:
        log = [
            (entry.action, entry.subject, entry.detail)
            for entry in db.exec(select(AuditEntry))
            if "ticket" in entry.action
        ]
    assert log == [("ticket answered", filed["id"], "looking into it"), ("ticket resolved", again["id"], "")]
    told = [each["text"] for each in web.get("/notifications", headers=me).json()["notifications"]]
    assert told == [
        f"Ticket {again['id']} (account disabled) is resolved",
        f"Ticket {filed['id']} (no settlement) is answered: looking into it",
    ]


def test_the_operators_wrong_use_is_refused_with_words(desk: Home, web: httpx.Client, me: dict[str, str]) -> None:
    filed = web.post("/tickets", json=TICKET, headers=me).json()
    ask(desk, "resolve", filed["id"], "done")
    for arguments, words in ((("reply", "9999", "x"), "the id of a ticket"), (("reply", filed["id"], "x"), "resolved")):
        done = CliRunner().invoke(app, ["admin", "ticket", *arguments, "--home", str(desk.path)])
        assert words in str(done.exception)


def test_other_peoples_tickets_are_not_found(web: httpx.Client, me: dict[str, str], other: dict[str, str]) -> None:
    filed = web.post("/tickets", json=TICKET, headers=me).json()
    for ticket_id in (filed["id"], "0", "-1", "99999999999", "x", "%00", "²"):
        answer = web.get(f"/tickets/{ticket_id}", headers=other)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Ticket not found"})
    assert web.get("/tickets", headers=other).json() == {"tickets": []}
    assert web.get("/tickets").status_code == 401


def test_a_bad_ticket_or_query_is_refused_by_its_field(web: httpx.Client, me: dict[str, str]) -> None:
    for change, field in (
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"category": "praise"}, "category"),
        ({"description": "\x1b[2J"}, "description"),
        ({"description": 7}, "description"),
        ({"status": "resolved"}, "status"),
    ):
        answer = web.post("/tickets", json=TICKET | change, headers=me)
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", field])
    for query in ("status=gone", "limit=0", "limit=201", "offset=-1"):
        assert web.get(f"/tickets?{query}", headers=me).status_code == 422
    assert web.get("/tickets?offset=5", headers=me).json() == {"tickets": []}


def test_a_disabled_account_may_ask_why_and_nothing_else(desk: Home, web: httpx.Client, me: dict[str, str]) -> None:
    user = web.get("/auth/me", headers=me).json()["id"]
    session = web.post("/auth/invite", json={"invite_code": invite_code(desk)}).json()
    holder = {"Authorization": f"Bearer {session['access_token']}"}
    with desk.ledger.write() as db:
        for who in (user, session["user"]["id"]):
            disable_user(db, who, desk.clock.now())
    assert web.get("/auth/me", headers=holder).status_code == 403
    assert web.post("/tickets", json=TICKET, headers=holder).status_code == 201
    for path in ("/auth/me", "/strategies", "/notifications", "/notifications/addresses"):
        assert web.get(path, headers=me).status_code == 403, path
    for _ in range(3):
        assert web.post("/tickets", json=TICKET, headers=me).status_code == 201
    refused = web.post("/tickets", json=TICKET, headers=me)
    assert (refused.status_code, refused.json()["detail"][:26]) == (400, "tickets: 3 are open alread")
    [_, _, first] = web.get("/tickets", headers=me).json()["tickets"]
    ask(desk, "resolve", first["id"], "a mistake of ours")
    assert web.get(f"/tickets/{first['id']}", headers=me).json()["admin_reply"] == "a mistake of ours"
    assert web.post("/tickets", json=TICKET, headers=me).status_code == 201
