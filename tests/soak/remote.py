"""The journal's remote, and the ways in which it breaks for a while: it always comes back with the history it had."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.journals import git

HANGS = """#!/bin/sh
while test -e "$0.hangs"; do sleep 0.05; done
exit 1
"""
REFUSES = "#!/bin/sh\nexit 1\n"


@dataclass(frozen=True)
class Remote:
    """A bare repository at `path`."""

    path: Path

    def create(self) -> None:
        """Create it, empty."""
        git(self.path.parent, "init", "-q", "--bare", "-b", "main", self.path.name)
        self._hook.parent.mkdir(exist_ok=True)

    @property
    def _hook(self) -> Path:
        return self.path / "hooks" / "pre-receive"

    def break_down(self, kind: str) -> Callable[[], None]:
        """Break it in one of KINDS; return the function that mends it."""
        return {"away": self._away, "no repository": self._headless, "refuses": self._refuses, "hangs": self._hangs}[
            kind
        ]()

    def _away(self) -> Callable[[], None]:
        elsewhere = self.path.with_suffix(".away")
        self.path.rename(elsewhere)
        return lambda: self._back(elsewhere)

    def _back(self, elsewhere: Path) -> None:
        elsewhere.rename(self.path)

    def _headless(self) -> Callable[[], None]:
        head, hidden = self.path / "HEAD", self.path / "HEAD.hidden"
        head.rename(hidden)

        def mend() -> None:
            hidden.rename(head)

        return mend

    def _refuses(self) -> Callable[[], None]:
        return self._hooked(REFUSES)

    def _hangs(self) -> Callable[[], None]:
        flag = self._hook.with_name(f"{self._hook.name}.hangs")
        flag.touch()
        unhook = self._hooked(HANGS)

        def mend() -> None:
            flag.unlink()
            unhook()

        return mend

    def _hooked(self, script: str) -> Callable[[], None]:
        # Renamed into place: git must not meet a script that is being written.
        fresh = self._hook.with_suffix(".new")
        fresh.write_text(script)
        fresh.chmod(0o755)
        fresh.rename(self._hook)

        def mend() -> None:
            with suppress(FileNotFoundError):
                self._hook.unlink()

        return mend


KINDS = ("away", "no repository", "refuses", "hangs")
