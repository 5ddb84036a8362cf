"""Which addresses notifications may be sent to, and that no secret of theirs is shown."""

import pytest

from countersign.domain.notifications.addresses import is_public, parse_address
from countersign.models.errors import InputError


@pytest.mark.parametrize(
    ("given", "url", "shown"),
    [
        ("https://example.com/hook", "jsons://example.com/hook", "https://example.com/…"),
        (
            "http://u:hunter2@example.com:8080/a%20b?token=hunter2&x=a%26b",
            "json://u:hunter2@example.com:8080/a%20b?-token=hunter2&-x=a%26b",
            "http://example.com/…",
        ),
        ("HTTPS://Example.com/", "jsons://Example.com/", "https://example.com/…"),
        ("forms://example.com/?+X-Key=hunter2", "forms://example.com/?+X-Key=hunter2", "forms://example.com/…"),
        (
            "mailtos://me:hunter2@smtp.example.com?to=me@example.org",
            "mailtos://me:hunter2@smtp.example.com?to=me@example.org",
            "mailtos://…@example.org",
        ),
    ],
)
def test_an_allowed_address_is_parsed_and_shown_without_its_secrets(given: str, url: str, shown: str) -> None:
    target = parse_address(given)
    assert (target.url, target.shown) == (url, shown)
    assert "hunter2" not in target.shown


@pytest.mark.parametrize(
    "given",
    [
        "",
        "example.com/hook",
        "file:///etc/passwd",
        "syslog://localhost",
        "dbus://",
        "gnome://",
        "windows://",
        "exec://example.com",
        "schan://x",
        "tgram://1234:abc/chat",
        "https://",
        "https:///x",
        "https://example.com:99999/",
        "https://example.com:0/",
        "https://example.com/a b",
        "https://example.com/\r\nX: y",
        "https://example.com/é",
        "https://[::1",
        "https://example.com/#part",
        "https://%31%32%37.0.0.1/",
        "https://" + "x" * 1000,
        "json://example.com?verify=no",
        "json://example.com?redirect=yes",
        "json://example.com?password=x",
        "mailto://example.com",
        "mailto://me:pw@example.com",
        "mailto://me:pw@example.com?to=me@example.org&pgp=yes",
        "mailto://me:pw@example.com?to=me@example.org&pgpprv=/etc/passwd",
        "mailto://me:pw@example.com?to=me@example.org&verify=no",
    ],
)
def test_another_address_is_refused_without_its_secrets(given: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_address(given, private=True)
    assert caught.value.field == "url"
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "db.localhost",
        "metadata.internal",
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - refused here
        "224.0.0.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ],
)
def test_private_hosts_are_refused_unless_they_are_allowed(host: str) -> None:
    for given in (f"http://{host}/x", f"mailto://me@example.com?to=me@example.com&smtp={host}"):
        with pytest.raises(InputError, match="a host that anybody can reach"):
            parse_address(given)
        assert parse_address(given, private=True)


def test_public_addresses_are_public() -> None:
    assert all(is_public(each) for each in ("1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"))
    assert not any(is_public(each) for each in ("", "example.com", "127.1", "fe80::1%eth0", "255.255.255.255"))
