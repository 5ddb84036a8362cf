"""Addresses of clients, behind proxies too, and the networks that count as one address.

Anybody can write `X-Forwarded-For`. Each proxy adds its caller's address at the end. So the header is read from the
end, and only as far as proxies of ours wrote it. No other proxy is believed, not even one on this machine.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from starlette.types import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# One customer of a provider has at least that many addresses of version 6.
CUSTOMER_BITS = 64
UNKNOWN = "unknown"


@lru_cache(4_096)
def network(host: str) -> str:
    """Return the network that counts as one address: an IPv4 address, the /64 of an IPv6 one."""
    try:
        found = _parse(host)
    except ValueError:
        return UNKNOWN
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(ipaddress.ip_network((found, CUSTOMER_BITS), strict=False))


class Proxies:
    """The proxies that are believed: addresses and networks."""

    def __init__(self, trusted: Iterable[Network]) -> None:
        self._networks = tuple(trusted)
        self.trusts = lru_cache(4_096)(self._trusts)

    def client(self, scope: Scope) -> str:
        """Return the address that a request comes from: the last hop that is no proxy of ours."""
        given = scope.get("client")
        host = str(given[0]) if given else ""
        if not self._networks or not self.trusts(host):
            return network(host)
        named = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        for hop in reversed(b",".join(named).decode("latin-1").split(",")):
            # A proxy of ours did not write an address that cannot be read: it came through the proxy before.
            if not (following := _host(hop)):
                break
            host = following
            if not self.trusts(host):
                break
        return network(host)

    def _trusts(self, host: str) -> bool:
        try:
            found = _parse(host)
        except ValueError:
            return False
        return any(found in each for each in self._networks)


def _parse(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    found = ipaddress.ip_address(host)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _host(hop: str) -> str:
    """Return the address of a hop, without the port that some proxies add; empty where there is none."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(_parse(text))
    except ValueError:
        return ""
