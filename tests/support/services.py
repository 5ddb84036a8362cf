"""Services on the loopback that answer as the real ones do; each lives as long as the test that uses it."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Reply:
    """Answer of a service: bytes as they are, anything else as JSON."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def serve(answer: Callable[[str, dict[str, Any]], Reply]) -> Iterator[str]:
    """Serve `answer(path, parameters)` on a free port; the parameters are the JSON body's or the query's."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            self._send(answer(url.path, dict(parse_qsl(url.query))))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._send(answer(self.path, json.loads(body)))

        def _send(self, reply: Reply) -> None:
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {"content-length": str(len(body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class FakeTushare:
    """The tushare service: tables by api name, each row a mapping; filters by the parameters that name a field."""

    token: str
    tables: dict[str, list[dict[str, Any]]]
    failures: list[Reply] = field(default_factory=list)
    most_rows: int = 6000
    requests: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, _path: str, body: dict[str, Any]) -> Reply:
        self.requests.append(body)
        if self.failures:
            return self.failures.pop(0)
        if body["token"] != self.token:
            return self.error(40001, f"您的token不对，请确认。{body['token']}")
        if body["api_name"] not in self.tables:
            return self.error(40101, "请指定正确的接口名")
        params = {name: value for name, value in body["params"].items() if value != ""}
        limit, offset = min(int(params.pop("limit", 6000)), self.most_rows), int(params.pop("offset", 0))
        rows = [
            row
            for row in self.tables[body["api_name"]]
            if all(row.get(name, value) == value for name, value in params.items())
        ]
        fields = body["fields"].split(",")
        page = [[row.get(name) for name in fields] for row in rows[offset : offset + limit]]
        more = offset + limit < len(rows)
        data = {"fields": fields, "items": page, "has_more": more, "count": -1}
        return Reply({"request_id": "r", "code": 0, "data": data, "msg": ""})

    @staticmethod
    def error(code: int, message: str) -> Reply:
        """An error as the service words it: HTTP 200 with a code."""
        return Reply({"request_id": "r", "code": code, "data": None, "msg": message})


@dataclass
class FakeEastmoney:
    """The quote pages behind akshare: `/api/qt/clist/get` (snapshots, 100 a page) and `/api/qt/stock/kline/get`."""

    shares: list[dict[str, Any]]
    funds: list[dict[str, Any]]
    lines: dict[str, list[str]]
    failures: list[Reply] = field(default_factory=list)

    def __call__(self, path: str, query: dict[str, Any]) -> Reply:
        if self.failures:
            return self.failures.pop(0)
        if path.endswith("/kline/get"):
            lines = [line for line in self.lines.get(query["secid"], []) if self._within(line, query)]
            return Reply({"rc": 0, "data": {"code": query["secid"].split(".")[1], "klines": lines}})
        rows = self.funds if query["fs"].startswith("b:") else self.shares
        start = (int(query["pn"]) - 1) * 100
        # Fields come in the service's order, not the request's, and f128 brings two companions.
        names = sorted({*query["fields"].split(","), "f140", "f141"}, key=lambda name: int(name[1:]))
        diff = [{name: row.get(name, "-") for name in names} for row in rows[start : start + 100]]
        return Reply({"rc": 0, "data": {"total": len(rows), "diff": diff}})

    @staticmethod
    def _within(line: str, query: dict[str, Any]) -> bool:
        return query["beg"] <= line[:10].replace("-", "") <= query["end"]
