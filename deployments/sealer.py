"""The stand-alone sealer, a part of `up`: seals each submission within a moment of its receipt, and sends it out.

python -m countersign.deployments.sealer HOME

Sealing and sending are two loops: a remote or a timestamp authority that hangs never delays a seal. A third sends the
notifications (`notices.py`).
"""

import argparse
import logging
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from countersign.deployments.notifications import keep_notifying
from countersign.deployments.orchestration.environment import ROOT
from countersign.deployments.supervision.parts import Part
from countersign.models.errors import ConflictError, CountersignError, LeaseError
from countersign.services.attestation.pushing import PushState, push_pending
from countersign.services.attestation.rotation import rotation_waits
from countersign.services.attestation.sealing import is_pending, sealing
from countersign.services.attestation.stops import alerting
from countersign.services.attestation.timestamps import stamp_pending
from countersign.settings import load_settings, locate_home
from countersign.store.home import Home

POLL_SECONDS = 0.05
# How long to wait after a failure, at first and at most; after a conflict it is the operator's turn.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
# At a deadline, a longer pause would make everybody late.
DEADLINE_PAUSE_SECONDS = 2.0
LEASE_PAUSE_SECONDS = 1.0

_log = logging.getLogger("sealer")


def run_sealer(home: Home, stop: threading.Event, first_pause_seconds: float = FIRST_PAUSE_SECONDS) -> None:
    """Seal and send until `stop` is set. While another process is the sealer, stand by to take its place.

    No failure ends it: each is logged, and tried again after a pause that grows to a minute, at a deadline to 2 s.
    """
    news = threading.Event()

    def keep_on(work: Callable[[], None]) -> None:
        _keep_on(home, work, stop, first_pause_seconds)

    sender = threading.Thread(target=keep_on, args=(lambda: _send(home, news, stop),), name="send")
    sender.start()
    teller = threading.Thread(target=keep_on, args=(lambda: _notify(home, stop),), name="tell")
    teller.start()
    try:
        keep_on(lambda: _seal(home, news, stop))
    finally:
        stop.set()
        news.set()
        sender.join()
        teller.join()


def sealer_part(home: Path) -> Part:
    """Describe the sealer of a home, for `up`."""
    return Part(
        name="sealer",
        arguments=("countersign.deployments.sealer", str(home)),
        environment={"PYTHONPATH": str(ROOT)},
        log=home / "logs" / "sealer.log",
    )


def longest_pause(home: Home) -> float:
    """Return how many seconds a failure may keep anybody waiting now, by the home's clock and sessions."""
    try:
        near = home.sessions.is_near_deadline(home.clock.now())
    except CountersignError:  # the time is not known, as the ledger is away: it may be any
        near = True
    return DEADLINE_PAUSE_SECONDS if near else LONGEST_PAUSE_SECONDS


def _keep_on(home: Home, work: Callable[[], None], stop: threading.Event, first_pause: float) -> None:
    """Do the work again and again; `work` returns when something went well, or `stop` is set."""
    pause = first_pause
    while not stop.is_set():
        try:
            work()
            pause = first_pause
            continue
        except LeaseError as error:
            _log.info("standing by: %s", error)
            stop.wait(LEASE_PAUSE_SECONDS)
            continue
        except ConflictError as error:
            _log.error("sealing has stopped: %s", error)
            pause = LONGEST_PAUSE_SECONDS
        except CountersignError as error:
            _log.warning("trying again: %s", error)
        except Exception:
            _log.exception("trying again")
        longest = longest_pause(home)
        stop.wait(min(pause, longest))
        pause = min(2 * pause, longest)


def _seal(home: Home, news: threading.Event, stop: threading.Event) -> None:
    # Afresh each time: what was wrong with the home may have been mended.
    home = replace(home)
    with alerting(home):
        home.check()
    with sealing(home) as sealer:
        # The next sealer finishes a rotation: that is us, a moment later.
        while not stop.is_set() and not rotation_waits(home):
            if not is_pending(home) and not sealer.heartbeat.is_due:
                stop.wait(POLL_SECONDS)
                continue
            outcome = sealer.seal(home.clock.now())
            if outcome.commits:
                _log.info("sealed %d signals, disclosed %d sessions", outcome.sealed, outcome.disclosed)
                news.set()


def _send(home: Home, news: threading.Event, stop: threading.Event) -> None:
    """Fetch tokens and push, whenever something was sealed and once a minute besides."""
    news.clear()
    tokens = stamp_pending(home, home.clock.now())
    pushed = push_pending(home, home.clock.now())
    if tokens or pushed.state not in {PushState.NOTHING, PushState.NO_REMOTE}:
        _log.info("fetched %d tokens; push: %s %s", tokens, pushed.state, pushed.detail)
    if pushed.state is PushState.FAILED and not stop.is_set():
        raise CountersignError(f"push failed: {pushed.detail}")
    news.wait(LONGEST_PAUSE_SECONDS)


def _notify(home: Home, stop: threading.Event) -> None:
    """Send users and the operator their notifications."""
    keep_notifying(home, load_settings(home.path), stop)


def main(arguments: Sequence[str] | None = None) -> None:
    """Seal for a home until interrupted."""
    parser = argparse.ArgumentParser(prog="countersign.deployments.sealer")
    parser.add_argument("home", type=Path)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    # Not `open_home`: what is wrong with the home stops sealing, and somebody has to tell.
    run_sealer(locate_home(options.home), stop)


if __name__ == "__main__":
    main()
