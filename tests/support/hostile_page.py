"""A page of somebody else, which tries all that a page can to reach a server on the machine of its reader."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Asks as a page may: with and without the other origin's leave, by form, picture and WebSocket. Reports its results.
ATTACK = """
async (server) => {
  const json = {"content-type": "application/json"};
  const evil = JSON.stringify({name: "evil"});
  const seen = [];
  const tried = async (how, ask) => {
    try { seen.push([how, await ask()]); } catch (error) { seen.push([how, "refused"]); }
  };
  const read = async (path, options) => (await fetch(server + path, options)).text();
  await tried("read", () => read("/api/flows/filter", {method: "POST", body: "{}", headers: json}));
  await tried("version", () => read("/api/version", {}));
  await tried("write", () => read("/api/flows/", {method: "POST", body: evil, headers: json}));
  await tried("blind", () => read("/api/flows/", {method: "POST", mode: "no-cors", body: evil}));
  await tried("untyped", () => read("/api/flows/", {method: "POST", mode: "no-cors", body: new Blob([evil])}));
  await tried("socket", () => new Promise((done, failed) => {
    const socket = new WebSocket(server.replace("http", "ws") + "/api/events/out", "prefect");
    socket.onopen = () => done("open");
    socket.onerror = failed;
  }));
  return seen;
}
"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>cats</title>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextmanager
def hostile_page() -> Iterator[str]:
    """Serve the page on this machine; give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
