"""Addresses for notifications: checked, masked for display, and written as apprise takes them. Pure.

Allowed are webhooks (http, https; or json, form, xml as apprise writes them) and e-mail through an SMTP server of the
user's own (mailto). Everything else that apprise knows is refused, as some of it runs commands, writes files, or speaks
to this machine's desktop. Names are not resolved here: the address behind a name is checked at the connection.
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from countersign.models.errors import InputError

MAX_LENGTH = 1000
WEBHOOKS = {"http": "json", "https": "jsons"}
APPRISE_WEBHOOKS = frozenset({"json", "jsons", "form", "forms", "xml", "xmls"})
MAIL = frozenset({"mailto", "mailtos"})
# Not pgp and its keys, which are read from files; nor options that switch off the checks of certificates or redirects.
MAIL_OPTIONS = frozenset({"to", "cc", "bcc", "from", "name", "reply", "smtp", "mode"})
EXPECTED = "an address such as https://example.com/hook or mailtos://user:password@example.com?to=me@example.com"
# Networks that lead on to an address inside them: NAT64 and 6to4.
TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"))


@dataclass(frozen=True)
class Target:
    """An allowed address: `url` is apprise's, and a secret; `shown` is the masked form, which anybody may see."""

    url: str
    shown: str


def parse_address(text: str, *, private: bool = False) -> Target:
    """Check an address. InputError, which does not repeat it, if it is not allowed.

    `private` allows literal addresses of this machine and of private networks.
    """
    if len(text) > MAX_LENGTH or not text.isascii() or any(letter <= " " for letter in text):
        raise InputError("url", f"{EXPECTED}, of at most {MAX_LENGTH} printable ASCII characters")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InputError("url", EXPECTED) from None
    scheme = parts.scheme.lower()
    options = parse_qsl(parts.query, keep_blank_values=True)
    if scheme not in {*WEBHOOKS, *APPRISE_WEBHOOKS, *MAIL}:
        raise InputError("url", f"{EXPECTED}; the schemes are http, https and mailto", f"{scheme or 'no'} scheme")
    names = [host]
    if scheme in MAIL:
        names += [value for name, value in options if name.lower() == "smtp"]
        if strange := next((name for name, _ in options if name.lower() not in MAIL_OPTIONS), None):
            raise InputError("url", f"options of mailto among {', '.join(sorted(MAIL_OPTIONS))}", strange)
        given = {name.lower() for name, value in options if "@" in value}
        if "to" not in given or not (parts.username or "from" in given):
            raise InputError("url", "who the mail is to (?to=…) and from (a user, or from=…)")
    elif scheme in APPRISE_WEBHOOKS and any(name[:1] not in {"+", "-", ":", " "} for name, _ in options):
        raise InputError("url", "only options that begin with + (header), - (query) or : (field)")
    if not host or port == 0 or "%" in host or parts.fragment:
        raise InputError("url", EXPECTED)
    if not private and any(_is_ours(name) for name in names):
        raise InputError("url", "a host that anybody can reach, not this machine or a private network")
    return Target(_apprise(parts, scheme, options), _masked(scheme, host, options))


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody can reach."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            found = found.ipv4_mapped
        elif any(found in network for network in TRANSLATED) or found.teredo:
            return False
    return found.is_global and not found.is_multicast


def _is_ours(host: str) -> bool:
    name = unquote(host).strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return not is_public(name)


def _apprise(parts: SplitResult, scheme: str, options: list[tuple[str, str]]) -> str:
    """Write the address as apprise does: a webhook's own query becomes its options with a dash."""
    if scheme not in WEBHOOKS:
        return parts.geturl()
    query = urlencode([(f"-{name}", value) for name, value in options], quote_via=quote)
    return parts._replace(scheme=WEBHOOKS[scheme], query=query).geturl()


def _masked(scheme: str, host: str, options: list[tuple[str, str]]) -> str:
    if scheme not in MAIL:
        plain = {code: name for name, code in WEBHOOKS.items()}
        return f"{plain.get(scheme, scheme)}://{host}/…"
    to = next((value for name, value in options if name.lower() == "to"), "")
    return f"{scheme}://…@{to.rpartition('@')[2] or host}"
