"""Tokens of a local authority: fetched for every commit, kept in the journal, checked by openssl."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509 import Certificate, load_pem_x509_certificate
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response
from sqlmodel import select

from countersign.domain.attestation.journal import Stamp
from countersign.domain.attestation.timestamp_responses import GRANTED, GRANTED_WITH_MODS
from countersign.domain.sessions import deadline
from countersign.models.tables.attestation import Timestamp
from countersign.models.tables.signals import Signal
from countersign.services.attestation.sealing import is_pending, seal_pending
from countersign.services.attestation.timestamps import stamp_pending
from countersign.services.notifications.notifications import open_alerts
from countersign.services.signals.evidence import read_attestations
from countersign.store.home import Home
from countersign.store.journal.timestamp_tokens import load_authorities
from tests.support.authorities import Authority, serving
from tests.support.homes import Databases, make_home
from tests.support.journals import check_journal, files_of
from tests.support.strategies import open_strategies, send
from tests.support.trading import trading

PAST = trading().sessions[1]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A timestamp authority with a key and certificates of its own."""
    return Authority(tmp_path_factory.mktemp("tsa") / "authority")


@pytest.fixture
def address(authority: Authority) -> Iterator[str]:
    """The address of `authority`, which answers as it should."""
    authority.answer, authority.asked = (lambda query: (200, authority.stamp(query))), 0
    with serving(authority) as url:
        yield url


@pytest.fixture
def sealed(tmp_path: Path, databases: Databases, address: str) -> Home:
    """A home with an authority, and one sealed signal."""
    home = replace(make_home(tmp_path / "home", databases.ledger("sqlite")), timestamp_authorities=(address,))
    seal_for(home, deadline(PAST, "open"), 1)
    return home


def seal_for(home: Home, closes_at: datetime, n: int) -> None:
    now = closes_at - timedelta(minutes=10)
    home.clock.set(now)
    open_strategies(home, now, "alpha")
    send(home, PAST, {"alpha": {"600001.SH": n / 100}}, now)
    seal_pending(home, now)


def test_tokens_go_into_the_journal_and_openssl_accepts_them(sealed: Home, authority: Authority) -> None:
    now = sealed.clock.now()
    assert stamp_pending(sealed, now) == 1
    assert is_pending(sealed)
    seal_pending(sealed, now)
    check_journal(sealed)
    ((path, token),) = [item for item in files_of(sealed.journal.path).items() if item[0].startswith("timestamps/")]
    sha = path.split("/")[2].partition(".")[0]
    commit = sealed.journal.git("cat-file", "commit", sha)
    assert authority.verifies(token, commit)
    assert not authority.verifies(token, commit + b" ")
    # The commit that holds tokens is not stamped in its turn.
    assert (stamp_pending(sealed, now), is_pending(sealed), authority.asked) == (0, False, 1)


def test_a_token_counts_as_evidence_only_from_before_the_deadline(sealed: Home) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    stamp_pending(sealed, sealed.clock.now())
    with sealed.ledger.write() as db:
        (signal_id,) = db.exec(select(Signal.id))
        (row,) = db.exec(select(Timestamp))
        # The authority swears to the real time, long after that deadline.
        assert before <= row.stamped_at <= datetime.now(UTC)
        assert read_attestations(db, [signal_id])[signal_id].evidence == "server_only"
        row.stamped_at = deadline(PAST, "open")
        db.add(row)
    with sealed.ledger.read() as db:
        shown = read_attestations(db, [signal_id])[signal_id]
    assert shown.evidence == "tsa"
    assert [token.authority for token in shown.tokens] == [row.authority]


@pytest.mark.parametrize("corner", ["with modifications", "certificates in the order of the chain"])
def test_a_token_of_a_legal_corner_is_kept_and_verifies(sealed: Home, authority: Authority, corner: str) -> None:
    """Both corners are legal, openssl takes them, and the client library alone would not."""
    if corner == "with modifications":
        authority.answer = lambda query: (200, authority.stamp(query).replace(GRANTED, GRANTED_WITH_MODS, 1))
    else:
        authority.answer = lambda query: (200, authority.stamp(query, "-chain", "root.pem"))
    assert stamp_pending(sealed, sealed.clock.now()) == 1
    with sealed.ledger.read() as db:
        (row,) = db.exec(select(Timestamp))
    commit = sealed.journal.git("cat-file", "commit", row.commit_sha)
    library = VerifierBuilder(roots=[trusted(authority)]).build()
    with pytest.raises((ValueError, VerificationError)):
        library.verify_message(decode_timestamp_response(row.token), commit)
    assert authority.verifies(row.token, commit)
    authorities = load_authorities([authority.folder / "root.pem"])
    assert authorities.check(row.token, commit) == Stamp(row.stamped_at, checked=True)
    assert authorities.check(row.token, commit + b" ").fault


def test_a_token_that_nobody_could_check_is_not_kept(sealed: Home, authority: Authority) -> None:
    authority.answer = lambda query: (200, authority.stamp(without_certificate(query)))
    assert stamp_pending(sealed, sealed.clock.now()) == 0
    with sealed.ledger.read() as db:
        (matter,) = open_alerts(db)
    assert "lacks the authority's certificate" in matter.text


def trusted(authority: Authority) -> Certificate:
    return load_pem_x509_certificate((authority.folder / "root.pem").read_bytes())


def without_certificate(query: bytes) -> bytes:
    """A short query that no longer asks for the certificate: the last of its fields."""
    assert query.endswith(b"\x01\x01\xff")
    return bytes([query[0], query[1] - 3]) + query[2:-3]


@pytest.mark.parametrize("answer", ["busy", "html", "garbage", "other", "empty"])
def test_an_authority_that_fails_is_a_problem_and_tried_again(sealed: Home, authority: Authority, answer: str) -> None:
    answers = {
        "busy": (503, b""),
        "html": (404, b"<html>"),
        "garbage": (200, b"<html>"),
        "empty": (200, b""),
        "other": (200, authority.stamp(OTHER_QUERY)),
    }
    authority.answer = lambda _: answers[answer]
    now = sealed.clock.now()
    assert stamp_pending(sealed, now) == 0
    with sealed.ledger.read() as db:
        assert [matter.kind for matter in open_alerts(db)] == ["timestamp authority"]
    authority.answer = lambda asked: (200, authority.stamp(asked))
    assert stamp_pending(sealed, now) == 1
    with sealed.ledger.read() as db:
        assert open_alerts(db) == []


def test_an_authority_out_of_reach_delays_nothing(sealed: Home) -> None:
    away = replace(sealed, timestamp_authorities=("http://127.0.0.1:9/tsr", *sealed.timestamp_authorities))
    assert stamp_pending(away, sealed.clock.now()) == 1
    assert seal_pending(away, sealed.clock.now()).commits


# A query for the SHA-256 of nothing, without a nonce (RFC 3161, 2.4.1).
OTHER_QUERY = bytes.fromhex("3036020101303130 0d06096086480165030402010500 0420".replace(" ", "")) + bytes(32)
