"""Journals made by hand: plain git commands, ssh-keygen and JSON written down here, nothing of the product's.

The verifier's report on them is therefore not the sealer's own word for itself.
"""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

# Fields of `audit --json`, in order: the contract.
AUDIT_KEYS = [
    "commits",
    "entries",
    "before_deadline",
    "after_deadline",
    "unsigned_commits",
    "shared_hashes",
    "truncated_hashes",
    "findings",
]

SALT = "00112233445566778899aabbccddeeff"
TERMS = {
    "universe": "hs300",
    "execution_price": "open",
    "holding_period": 1,
    "initial_capital": 1000000,
    "commission_rate": "0.0003",
    "slippage_rate": "0.002",
}


def require_ssh_keygen() -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen on this machine")


def canonical(fields: Any) -> bytes:
    """RFC 8785 for ASCII texts, integers, booleans, lists and objects."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def shard(slug: str) -> str:
    return sha256(slug.encode())[:2]


def utc(text: str) -> datetime:
    """A time of the exchange's clock, 2025-01-02 09:00, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC) - timedelta(hours=8)


def instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Key:
    """An Ed25519 key made by ssh-keygen."""

    path: Path

    @classmethod
    def make(cls, path: Path) -> "Key":
        require_ssh_keygen()
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
        return cls(path)

    def line(self, options: str = 'namespaces="git"') -> str:
        return f"countersign {options} {self.path.with_suffix('.pub').read_text().strip()}\n"

    def fingerprint(self) -> str:
        """The key's fingerprint, by ssh-keygen."""
        done = subprocess.run(["ssh-keygen", "-l", "-f", str(self.path)], check=True, capture_output=True, text=True)
        return done.stdout.split()[1]


@dataclass
class Handmade:
    """A journal with a working copy at `path`, whose commits are signed with `key` and dated by the caller."""

    path: Path
    key: Key
    previous: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    manifest: str = ""

    @classmethod
    def make(cls, folder: Path, signers: str | None = None) -> "Handmade":
        """An empty journal, with the key's line waiting for the first commit."""
        journal = cls(folder / "journal", Key.make(folder / "keys" / "first"))
        journal.path.mkdir(parents=True)
        journal.git("init", "-q", "-b", "main")
        journal.write("allowed_signers", (journal.key.line() if signers is None else signers).encode())
        journal.write("README.md", b"# A journal made by hand\n")
        return journal

    def git(self, *arguments: str, at: datetime | None = None, given: bytes | None = None) -> str:
        when = (
            {"GIT_AUTHOR_DATE": f"@{int(at.timestamp())} +0000", "GIT_COMMITTER_DATE": f"@{int(at.timestamp())} +0000"}
            if at
            else {}
        )
        who = {
            f"GIT_{role}_{what}": word
            for role in ("AUTHOR", "COMMITTER")
            for what, word in (("NAME", "Hand"), ("EMAIL", "hand@localhost"))
        }
        environment = os.environ | who | when | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=environment, input=given, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def write(self, path: str, content: bytes) -> None:
        """Put a file into the next commit."""
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        self.waiting.append(path)

    def commit(self, at: datetime, message: str = "by hand", *, key: Key | None = None, sign: bool = True) -> str:
        """Commit the waiting files; return the commit's name."""
        self.git("add", "-A")
        self.waiting.clear()
        signing = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={(key or self.key).path}"] if sign else []
        self.git(*signing, "commit", "-q", "--allow-empty", "-S" if sign else "--no-gpg-sign", "-m", message, at=at)
        return self.git("rev-parse", "HEAD")

    def terms(self, slug: str, created: datetime, **changes: Any) -> None:
        fields = {"schema": "countersign/terms/v1", "strategy": slug, **TERMS, "created_at": instant(created)} | changes
        self.write(f"strategies/{shard(slug)}/{slug}.json", canonical(fields) + b"\n")

    def seal(
        self, slug: str, session: str, weights: dict[str, str], received: datetime, revision: int = 1, **changes: Any
    ) -> str:
        """Write a seal; return the signal's hash."""
        hashed = sha256(b"countersign/signal/v1\n" + payload(slug, session, weights, revision))
        price = changes.get("execution_price", "open")
        fields = {
            "schema": "countersign/seal/v1",
            "strategy": slug,
            "session": session,
            "revision": revision,
            "signal_hash": hashed,
            "symbols_count": len(weights),
            "universe": "hs300",
            "execution_price": price,
            "received_at": instant(received),
            "deadline": instant(utc(f"{session} {'09:15' if price == 'open' else '15:00'}")),
            "previous": self.previous.get(slug, ""),
            "simulated": False,
        } | changes
        self.previous[slug] = hashed
        self.write(record_path("attestations", slug, session, revision), canonical(fields) + b"\n")
        return hashed

    def reveal(self, slug: str, session: str, weights: dict[str, str], revision: int = 1, **changes: Any) -> None:
        sealed = payload(slug, session, weights, revision)
        hashed = sha256(b"countersign/signal/v1\n" + sealed)
        fields = {"schema": "countersign/reveal/v1", "payload": json.loads(sealed), "signal_hash": hashed} | changes
        self.write(record_path("reveals", slug, session, revision), canonical(fields) + b"\n")

    def settle(
        self,
        session: str,
        results: list[dict[str, Any]],
        bars: str,
        rules: str,
        at: datetime,
        version: int = 1,
        more: dict[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        """Write a settled day; its manifest names the one before, and `more` that went in."""
        inputs = {"bars": bars, "rules": rules, "previous": self.manifest} | (more or {})
        manifest = {
            "schema": "countersign/settlement/v1",
            "session": session,
            "version": version,
            "inputs": inputs,
            "files": [],
        }
        self.manifest = sha256(canonical(manifest))
        fields = {
            "schema": "countersign/settled/v1",
            "session": session,
            "version": version,
            "simulated": False,
            "settled_at": instant(at),
            "bars_sha256": bars,
            "rules_sha256": rules,
            "manifest": manifest,
            "manifest_sha256": self.manifest,
            "actions": [],
            "strategies": results,
        } | changes
        self.write(f"settlements/{session[:4]}/{session}.{version}.json", canonical(fields) + b"\n")

    def retire(self, slug: str, at: datetime, session: str, nav: str, **changes: Any) -> None:
        """Write the record of a strategy's end."""
        fields = {
            "schema": "countersign/retirement/v1",
            "strategy": slug,
            "retired_at": instant(at),
            "session": session,
            "version": 1 if session else 0,
            "nav": nav,
            "simulated": False,
        } | changes
        self.write(f"retirements/{shard(slug)}/{slug}.json", canonical(fields) + b"\n")

    def clock(self, *, simulated: bool) -> None:
        """Write which clock the journal has."""
        fields = {"schema": "countersign/clock/v1", "simulated": simulated}
        self.write("clock.json", canonical(fields) + b"\n")


def record_path(folder: str, slug: str, session: str, revision: int = 1) -> str:
    return f"{folder}/{session[:4]}/{session}/{shard(slug)}/{slug}.{revision}.json"


def payload(slug: str, session: str, weights: dict[str, str], revision: int = 1) -> bytes:
    signals = [{"symbol": symbol, "weight": weight} for symbol, weight in sorted(weights.items())]
    return canonical({"revision": revision, "salt": SALT, "session": session, "signals": signals, "strategy": slug})
