"""Tests of headend.net.addresses."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.net.addresses import address_of, is_forbidden, is_inner, plain_host


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0X7F.1", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("\uff11\uff12\uff17.0.0.1", "127.0.0.1"),  # full-width digits
        ("127\u30020\uff0e0\uff611", "127.0.0.1"),  # dots of other scripts
        ("\u2460\u2461\u2466.0.0.1", "127.0.0.1"),  # digits in circles
        ("\U0001d7cf\U0001d7d0\U0001d7d5.1", "127.0.0.1"),  # mathematical digits
        ("\uff10x7f.1", "127.0.0.1"),
        ("::1", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("::FFFF:127.0.0.1", "::ffff:7f00:1"),
        ("\uff1a\uff1a1", "::1"),
        ("fe80::1%Eth0", "fe80::1%Eth0"),
        ("Example.COM", "example.com"),
        ("example.com.", "example.com."),
        ("\uff45xample.com", "example.com"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("under_score.example", "under_score.example"),
        ("localhost", "localhost"),
        ("1and1.example", "1and1.example"),
        ("0x7f.example", "0x7f.example"),
    ],
)
def test_host_is_read_as_the_network_reads_it(host: str, plain: str) -> None:
    assert plain_host(host) == plain
    assert plain_host(plain) == plain


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "a..b",
        "1.2.3.4.5",
        "256.1.1.1",
        "4294967296",
        "0x",
        "example.1",
        "a b",
        "a/b",
        "\u2100.example",  # becomes a/c
        "user@host",
        "a%eth0",
        "127.0.0.1%eth0",
        "::1::",
        "[::1]",
        "a" * 64 + ".\u00e9",
        "\ud800",
    ],
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        plain_host(host)
    with pytest.raises(ValueError, match=r".*"):
        address_of(host)


@given(st.text(max_size=40))
def test_any_text_is_a_host_or_refused(text: str) -> None:
    try:
        plain = plain_host(text)
    except ValueError:
        return
    assert plain_host(plain) == plain
    assert plain.partition("%")[0].isascii()


def test_address_is_known_however_it_is_written() -> None:
    assert address_of("0x7f.1") == ip_address("127.0.0.1")
    assert address_of("fe80::1%eth0") == ip_address("fe80::1")
    assert address_of("example.com") is None


INNER = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.1.1",
    "100.64.0.1",  # of a provider (RFC 6598)
    "0.0.0.0",
    "224.0.0.1",
    "240.0.0.1",
    "::",
    "::1",
    "fe80::1",
    "fd00::1",
    "fec0::1",  # as private networks once were
    "ff02::1",
    "::ffff:10.0.0.1",
    "::10.0.0.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "64:ff9b:1:a00:0:100::",  # 10.0.0.1 in the middle
    "2002:a00:1::1",
    "2001:0:a00:1::1",  # Teredo
]
OUTER = [
    "8.8.8.8",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::8.8.8.8",
    "2002:808:808::1",
]


@pytest.mark.parametrize("text", INNER)
def test_this_machine_and_private_networks_are_inside(text: str) -> None:
    assert is_inner(ip_address(text))


@pytest.mark.parametrize("text", OUTER)
def test_the_internet_is_outside(text: str) -> None:
    assert not is_inner(ip_address(text))
    assert not is_forbidden(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::169.254.169.254",
        "64:ff9b:1:a9fe:a9:fe00::",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
        "0.1.2.3",
        "::2",
    ],
)
def test_metadata_of_a_cloud_is_forbidden_whatever_stands_for_it(text: str) -> None:
    assert is_forbidden(ip_address(text))
