"""A timestamp authority of one's own: openssl behind HTTP on loopback, its certificates made for the test."""

import http.server
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CONFIG = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[signer]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/signer.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
"""


class Authority:
    """Keys and certificates in a folder; `answer` is the server's answer to a query, and can be replaced."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.asked = folder, 0
        (folder / "serial").write_text("01\n")
        for name, section in (("root", "ca"), ("signer", "signer")):
            (folder / "openssl.cnf").write_text(CONFIG.format(name=name, folder=folder))
            key = ["-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "3650"]
            issuer = [] if name == "root" else ["-CA", "root.pem", "-CAkey", "root.key"]
            self.openssl("req", "-x509", "-config", "openssl.cnf", "-extensions", section, *key, *issuer)
        self.answer: Callable[[bytes], tuple[int, bytes]] = lambda query: (200, self.stamp(query))

    def stamp(self, query: bytes, *more: str) -> bytes:
        (self.folder / "query").write_bytes(query)
        config = ["-config", "openssl.cnf", "-section", "here"]
        self.openssl("ts", "-reply", *config, "-queryfile", "query", "-out", "reply", *more)
        return (self.folder / "reply").read_bytes()

    def verifies(self, response: bytes, stamped: bytes) -> bool:
        """Let openssl check a response against the bytes it is for."""
        (self.folder / "response").write_bytes(response)
        (self.folder / "data").write_bytes(stamped)
        files = ["-in", "response", "-data", "data", "-CAfile", "root.pem"]
        said = self.openssl("ts", "-verify", *files, check=False)
        return "Verification: OK" in said

    def openssl(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout + done.stderr


@contextmanager
def serving(authority: Authority) -> Iterator[str]:
    """Serve an authority; give its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            authority.asked += 1
            status, content = authority.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/tsr"
        finally:
            server.shutdown()
            thread.join()
