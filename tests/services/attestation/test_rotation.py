"""Rotation of the journal's key: announced by the old one, good from then on; with git, ssh-keygen and our verifier."""

import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from countersign.deployments.sealer import run_sealer
from countersign.domain.attestation.journal import FaultKind
from countersign.domain.attestation.signers import Signer, hand_over, read_signers, signs_since, write_signers
from countersign.domain.sessions import deadline
from countersign.models.errors import LeaseError, StoreError
from countersign.models.tables.attestation import JournalCommit
from countersign.services.attestation.key_rotation import LEASE, rotate_key
from countersign.services.attestation.rotation import prepare_rotation, rotation_waits
from countersign.services.attestation.sealing import is_pending, seal_pending, sealing
from countersign.services.verification.verify import audit_repository, verify_journal
from countersign.store.home import Home
from countersign.store.journal.signing import KEY_FILE, load_key
from countersign.store.ledger.leases import lease
from tests.support import processes
from tests.support.crashing import die_at
from tests.support.homes import Databases, copy_home
from tests.support.journals import check_journal, git
from tests.support.strategies import open_strategies, send
from tests.support.trading import trading
from tests.support.waiting import wait_until

DAY = trading().sessions[1]
NOW = deadline(DAY, "open") - timedelta(hours=1)


@pytest.fixture
def desk(home: Home) -> Home:
    """A home with one sealed signal."""
    home.clock.set(NOW)
    open_strategies(home, NOW, "alpha")
    seal_one(home, 1)
    return home


def seal_one(home: Home, n: int, at: datetime = NOW) -> None:
    send(home, DAY, {"alpha": {"600001.SH": n / 1000}}, at)
    seal_pending(home, at)


def signers_of(home: Home) -> str:
    return git(home.journal.path, "show", "HEAD:allowed_signers")


def rotate_in_a_process(path: Path, url: str) -> None:
    """Rotate in a process of its own."""
    rotate_key(Home(path, url, path / "lake"))


def test_a_journal_holds_across_rotations(desk: Home, tmp_path: Path) -> None:
    old = load_key(desk.journal.keys)
    for n in (2, 3):
        before = load_key(desk.journal.keys)
        done = rotate_key(desk)
        after = load_key(desk.journal.keys)
        assert done == {"old_key": before.fingerprint, "new_key": after.fingerprint}
        assert (desk.journal.keys / KEY_FILE).stat().st_mode & 0o777 == 0o600
        seal_one(desk, n, NOW + timedelta(minutes=n))
    assert not rotation_waits(desk)
    # git and ssh-keygen judge every commit by the newest file; each of the three keys signed its own.
    check_journal(desk)
    keys = tmp_path / "keys"
    keys.write_text(signers_of(desk))
    setting = f"gpg.ssh.allowedSignersFile={keys}"
    signed = git(desk.journal.path, "-c", setting, "log", "--reverse", "--format=%GF").split()
    assert (len(signed), len(set(signed)), signed[1]) == (5, 3, old.fingerprint)
    for pinned in (None, keys):
        report = verify_journal(desk.journal.path, signers=pinned)
        assert (report.faults, report.pinned) == ((), pinned is not None)
    assert audit_repository(desk.journal.path).unsigned_commits == 0
    with desk.ledger.read() as db:
        kinds = list(db.exec(select(JournalCommit.kind)))
    assert sorted(kinds) == ["rotation", "rotation", "seal", "seal", "seal"]


def test_the_fingerprint_is_the_one_that_ssh_keygen_prints(desk: Home, tmp_path: Path) -> None:
    key = load_key(desk.journal.keys)
    (tmp_path / "key.pub").write_text(f"{key.public}\n")
    said = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True)
    assert said.stdout.split()[1] == key.fingerprint


def test_an_old_key_is_refused_after_its_end(desk: Home, tmp_path: Path) -> None:
    old = (desk.journal.keys / KEY_FILE).read_bytes()
    rotate_key(desk)
    seal_one(desk, 2, NOW + timedelta(minutes=2))
    (desk.journal.keys / KEY_FILE).write_bytes(old)
    send(desk, DAY, {"alpha": {"600001.SH": 0.3}}, NOW)
    with pytest.raises(StoreError, match="allowed_signers"):
        seal_pending(desk, NOW)
    # Somebody who stole it signs by hand.
    forged = commit_by_hand(desk, tmp_path, old, NOW + timedelta(minutes=3))
    (fault,) = verify_journal(desk.journal.path).faults
    told = (FaultKind.BAD_SIGNATURE, forged, "signed by a key that was no longer valid then")
    assert (fault.kind, fault.commit, fault.detail) == told


def test_a_key_that_the_old_one_did_not_announce_is_refused(desk: Home, tmp_path: Path) -> None:
    new = prepare_rotation(desk)
    stolen = (desk.journal.keys / "journal_ed25519.next").read_bytes()
    signers = read_signers(signers_of(desk).encode())
    announced = hand_over(signers, load_key(desk.journal.keys).blob, new.blob, NOW + timedelta(minutes=1))
    forged = commit_by_hand(desk, tmp_path, stolen, NOW + timedelta(minutes=1), write_signers(announced))
    (fault,) = verify_journal(desk.journal.path).faults
    assert (fault.kind, fault.commit) == (FaultKind.FUTURE_DATED_KEY, forged)


def commit_by_hand(home: Home, folder: Path, key: bytes, at: datetime, signers: bytes | None = None) -> str:
    """Commit with git's own signing, and a key of one's choice."""
    clone, file = folder / "clone", folder / "stolen"
    file.write_bytes(key)
    file.chmod(0o600)
    git(folder, "clone", "-q", str(home.journal.path), str(clone))
    if signers:
        (clone / "allowed_signers").write_bytes(signers)
    settings = ("gpg.format=ssh", f"user.signingkey={file}", "user.name=x", "user.email=x@localhost")
    options = [part for setting in settings for part in ("-c", setting)]
    environment = {"GIT_COMMITTER_DATE": at.isoformat(), "PATH": "/usr/bin:/bin"}
    command = ["git", "-C", str(clone), *options, "commit", "-q", "-S", "-a", "--allow-empty", "-m", "forged"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    git(clone, "push", "-q", "origin", "HEAD:main")
    return git(clone, "rev-parse", "HEAD").strip()


def test_before_the_first_commit_a_new_key_needs_no_announcement(home: Home) -> None:
    rotate_key(home)
    home.clock.set(NOW)
    open_strategies(home, NOW, "alpha")
    seal_one(home, 1)
    check_journal(home)
    assert "valid" not in signers_of(home)


def test_one_rotation_at_a_time(desk: Home) -> None:
    with lease(desk.ledger, LEASE), pytest.raises(LeaseError, match="rotate-key: held by"):
        rotate_key(desk)
    with sealing(desk), pytest.raises(LeaseError, match="when it comes round"):
        rotate_key(desk, patience_seconds=0)
    # The next sealer finishes the waiting rotation.
    new = prepare_rotation(desk)
    seal_one(desk, 2)
    assert load_key(desk.journal.keys).public == new.public
    check_journal(desk)


def test_without_the_old_key_there_is_no_new_one(desk: Home) -> None:
    (desk.journal.keys / KEY_FILE).unlink()
    with pytest.raises(StoreError, match="signing key is missing"):
        rotate_key(desk)
    assert not rotation_waits(desk)


def test_a_sealer_at_work_takes_the_new_key(desk: Home) -> None:
    stop = threading.Event()
    sealer = threading.Thread(target=run_sealer, args=(desk, stop))
    sealer.start()
    try:
        done = rotate_key(desk)
        send(desk, DAY, {"alpha": {"600001.SH": 0.2}}, NOW)
        wait_until(lambda: not is_pending(desk))
    finally:
        stop.set()
        sealer.join()
    assert load_key(desk.journal.keys).fingerprint == done["new_key"]
    check_journal(desk)
    assert verify_journal(desk.journal.path).holds


def test_under_a_simulated_clock_that_goes_back_no_commit_is_older_than_its_key(desk: Home) -> None:
    rotate_key(desk)
    seal_one(desk, 2, NOW - timedelta(days=1))
    check_journal(desk)
    assert verify_journal(desk.journal.path).holds


@pytest.mark.slow
def test_killed_between_any_two_steps_the_home_seals_again(desk: Home, databases: Databases, tmp_path: Path) -> None:
    codes = []
    sqlite = desk.database_url.startswith("sqlite")
    for step in range(1, 90, 1 if sqlite else 12):
        home = copy_home(databases, desk, tmp_path / f"killed-{step}")
        codes.append(processes.run(die_at, step, rotate_in_a_process, home.path, home.database_url))
        if step % 2:  # some rotate again, some only seal
            rotate_key(home)
        seal_one(home, 2, NOW + timedelta(minutes=2))
        assert not rotation_waits(home), step
        if step % 4 == 1:
            check_journal(home)
        assert verify_journal(home.journal.path).holds, step
        with home.ledger.read() as db:
            known = set(db.exec(select(JournalCommit.sha)))
        assert known == set(git(home.journal.path, "log", "--format=%H").split()), step
        home.ledger.engine.dispose()
        if codes[-1] == 0:
            break
    assert set(codes) == {processes.KILLED, 0}


def test_allowed_signers_are_read_as_written() -> None:
    at = datetime(2026, 1, 5, 1, 2, 3, tzinfo=UTC)
    first = (Signer(b"one"),)
    second = hand_over(first, b"one", b"two", at)
    third = hand_over(second, b"two", b"three", at + timedelta(days=1))
    assert [signs_since(third, key) for key in (b"one", b"two", b"three", b"four")] == [
        None,
        None,
        at + timedelta(days=1),
        None,
    ]
    assert second[0].until == at + timedelta(seconds=1)
    assert read_signers(write_signers(third)) == third
