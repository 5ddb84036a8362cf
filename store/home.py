"""A home: the folder that holds one platform's state, and the way to its stores.

A `Home` is a key (paths and an address), cheap to pass between tasks; its stores are opened where they are used.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sqlmodel import select

from countersign.domain.sessions import Sessions
from countersign.models.errors import ConflictError, InputError, StoreError
from countersign.models.tables.operations import HomeFact
from countersign.store.clock import CLOCK_FILE, Clock, ClockKind, wall_clock
from countersign.store.files import storage_errors, write_atomically
from countersign.store.journal.clock import require_clock
from countersign.store.journal.journal import Journal
from countersign.store.lake.lake import Lake
from countersign.store.ledger.facts import JOURNAL_CLOCK, read_fact
from countersign.store.ledger.ledger import Ledger
from countersign.store.prefect_login import ensure_login
from countersign.store.privacy import FOLDER_MODE, narrow
from countersign.store.sessions import OVERRIDES, OVERRIDES_TEMPLATE, load_sessions
from countersign.store.signing_keys import ensure_secrets

FOLDERS = ("keys", "lens", "logs", "prefect", "quality")
CONFIG_FILE = "countersign.toml"
CONFIG_TEMPLATE = """\
# Settings of this home; docs/settings.md lists them all. Environment variables (COUNTERSIGN_...) win.
#
# market_provider = "tushare"
"""


@dataclass(frozen=True)
class Home:
    """Home: its paths and addresses. `clock_kind` comes from the settings; None keeps the kind it was created with."""

    path: Path
    database_url: str = field(repr=False)  # may carry a password
    lake_path: Path
    clock_kind: ClockKind | None = None
    journal_remote: str | None = field(default=None, repr=False)  # may carry a password
    timestamp_authorities: tuple[str, ...] = ()

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger."""
        return Ledger(self.database_url)

    @cached_property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(self.lake_path, self.ledger)

    @cached_property
    def journal(self) -> Journal:
        """The journal."""
        return Journal(self.path / "journal", self.path / "keys")

    @cached_property
    def clock(self) -> Clock:
        """The clock this home was created with."""
        with self.ledger.read() as db:
            kind = db.exec(select(HomeFact.value).where(HomeFact.key == "clock")).one_or_none()
        if kind is None:
            raise StoreError(f"{self.path}: this home was not created to the end; run `countersign init` again")
        return Clock("simulated" if kind == "simulated" else "system", self.path)

    @cached_property
    def sessions(self) -> Sessions:
        """The exchange's sessions, with this home's overrides."""
        return load_sessions(self.path)

    @property
    def is_begun(self) -> bool:
        """Whether this home's creation was begun."""
        return (self.path / CONFIG_FILE).exists()

    def create(self) -> bool:
        """Create the home's missing parts and migrate the ledger; return whether the home is new. Safe to repeat."""
        for folder in (self.path, self.lake_path, *(self.path / name for name in FOLDERS)):
            with storage_errors(folder):
                folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        narrow(self.path, self.lake_path)
        ensure_secrets(self.path)
        ensure_login(self.path)
        for name, template in ((CONFIG_FILE, CONFIG_TEMPLATE), (OVERRIDES, OVERRIDES_TEMPLATE)):
            if not (self.path / name).exists():
                write_atomically(self.path / name, template.encode())
        self.ledger.migrate()
        self.journal.create()
        with self.ledger.write() as db:
            new = db.get(HomeFact, "clock") is None
            if new:
                db.add(HomeFact(key="clock", value=self.clock_kind or "system"))
        self.check()
        if self.clock.simulated and not (self.path / CLOCK_FILE).exists():
            self.clock.set(wall_clock())
        return new

    def check(self) -> None:
        """Raise unless this is a home that this version can work on, with the clock it was created with."""
        if not self.path.is_dir():
            raise InputError("home", "an existing home folder (`countersign init` creates one)", self.path)
        narrow(self.path, self.lake_path)
        self.ledger.require_current_schema()
        kind = self.clock.kind
        if self.clock_kind and self.clock_kind != kind:
            raise ConflictError(
                f"{self.path}: this home was created with the {kind} clock and refuses the {self.clock_kind} one"
            )
        tip = self.journal.tip() if self.journal.exists else None
        if tip is None:
            return
        with self.ledger.read() as db:
            known = read_fact(db, JOURNAL_CLOCK)
        # Git is asked where another than our sealer left the journal.
        if known != f"{tip} {kind}":
            require_clock(self.journal, tip, simulated=self.clock.simulated)
