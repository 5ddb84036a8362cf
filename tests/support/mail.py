"""An SMTP server on the loopback: takes any mail, and keeps it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

from tests.support.waiting import PATIENCE_SECONDS


@dataclass
class Post:
    """Mails that arrived; `refuse` makes it refuse that many mails first."""

    port: int = 0
    refuse: int = 0
    mails: list[EmailMessage] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())

        say("220 post")
        with suppress(ConnectionError):
            while line := await reader.readline():
                verb = line[:4].upper().strip()
                if verb == b"QUIT":
                    say("221 bye")
                    break
                if verb == b"MAIL" and self.refuse:
                    self.refuse -= 1
                    say("451 not now")
                elif verb == b"DATA":
                    say("354 go on")
                    content = await reader.readuntil(b"\r\n.\r\n")
                    self.mails.append(BytesParser(policy=default).parsebytes(content[:-5]))  # type: ignore[arg-type]
                    say("250 kept")
                else:
                    say("250 post")
                await writer.drain()
            writer.close()
            await writer.wait_closed()


@contextmanager
def post_office() -> Iterator[Post]:
    """Run the server in a thread; yields its mails and its port."""
    post, ready, done = Post(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        async with await asyncio.start_server(post.talk, "127.0.0.1", 0) as server:
            post.port = server.sockets[0].getsockname()[1]
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_SECONDS)
    try:
        yield post
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(PATIENCE_SECONDS)
        loop.close()
