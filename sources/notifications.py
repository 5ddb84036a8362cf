"""Notices: sends a notification to an address, through apprise.

An address is somebody else's choice. So every connection that sending makes is checked when it is made, with redirects
and the addresses that a name resolves to at that moment. Each connection has an end, though the other side drips a byte
a second.
"""

import logging
import os
import socket
import sys
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from countersign.domain.notifications.addresses import is_public
from countersign.models.errors import SourceBusy, SourceRefused

LONGEST_SECONDS = 20.0
_thread = threading.local()
_loading = threading.Lock()


def send(url: str, title: str, body: str, *, private: bool = False, seconds: float = LONGEST_SECONDS) -> None:
    """Send to an address as `domain.notifications.addresses` wrote it; `private` allows this machine and private
    networks.

    SourceBusy if it did not arrive; SourceRefused for an address that apprise does not take, or that leads to a
    forbidden one. No message repeats the address.
    """
    with _loading:
        apprise = _apprise()
    asset = apprise.AppriseAsset(app_id="Countersign", app_desc="Countersign", app_url="", http_redirects=False)
    service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if service is None:
        raise SourceRefused("an address that cannot be sent to: it is incomplete")
    with _guarded(_Outgoing(private), seconds) as outgoing:
        try:
            arrived = service.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT)
        except Exception as error:  # any error of an apprise plugin; its words may repeat the address
            raise SourceBusy(f"sending failed: {type(error).__name__}") from None
    if outgoing.refused:
        raise SourceRefused("an address that leads to this machine or to a private network")
    if outgoing.over:
        raise SourceBusy(f"it took longer than {seconds:g} s")
    if not arrived:
        raise SourceBusy("it did not arrive")


class _Outgoing:
    """The connections of one sending."""

    def __init__(self, private: bool) -> None:
        self.private, self.refused, self.over = private, False, False
        self.sockets: list[socket.socket] = []
        self.lock = threading.Lock()

    def connect(self, connection: socket.socket, address: Any) -> None:
        """Refuse an address that must not be reached; keep a hold on other connections."""
        if connection.family not in {socket.AF_INET, socket.AF_INET6} or not (self.private or is_public(address[0])):
            self.refused = True
            raise PermissionError("not an address that anybody can reach")
        with self.lock:
            if self.over:
                raise TimeoutError("it took too long")
            # A copy of the handle: TLS takes the socket's own away.
            self.sockets.append(socket.socket(connection.family, connection.type, fileno=os.dup(connection.fileno())))

    def end(self) -> None:
        """Cut every connection: a thread that waits for an answer fails at once."""
        with self.lock:
            self.over = True
            for copy in self.sockets:
                with suppress(OSError):
                    copy.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of all connections."""
        with self.lock:
            for copy in self.sockets:
                copy.close()


@contextmanager
def _guarded(outgoing: _Outgoing, seconds: float) -> Generator[_Outgoing]:
    _install_guard()
    timer = threading.Timer(seconds, outgoing.end)
    timer.daemon = True
    timer.start()
    _thread.outgoing = outgoing
    try:
        yield outgoing
    finally:
        _thread.outgoing = None
        timer.cancel()
        timer.join()
        outgoing.close()


@cache
def _install_guard() -> None:
    """Install a guard that Python asks about each connection. It lets those of other threads pass."""

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            outgoing = getattr(_thread, "outgoing", None)
            if outgoing is not None:
                outgoing.connect(*arguments)

    sys.addaudithook(look)


@cache
def _apprise() -> Any:
    with warnings.catch_warnings():
        # Its services' own use of Python, which only its maintainers can bring up to date.
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise  # noqa: PLC0415 - a hundred services; only who sends pays for it

        # They would log hosts and addresses.
        logging.getLogger("apprise").disabled = True
        logging.getLogger("urllib3").setLevel(logging.WARNING)
        apprise.Apprise.instantiate("json://localhost")  # the first use loads them all
    return apprise
