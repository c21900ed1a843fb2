"""Tests of headend.net.proxy_protocol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.errors import LimitExceeded, ProtocolError
from headend.net.proxy_protocol import Parsed, parse

V2 = "0d0a0d0a 000d0a51 5549540a"

HEADERS = {
    "v1 TCP4": (
        b"PROXY TCP4 203.0.113.7 10.0.0.1 51044 1935\r\n",
        ("203.0.113.7", 51044),
        ("10.0.0.1", 1935),
    ),
    "v1 TCP6": (
        b"PROXY TCP6 2001:db8::7 ::1 65535 0\r\n",
        ("2001:db8::7", 65535),
        ("::1", 0),
    ),
    "v1 IPv4 in IPv6": (
        b"PROXY TCP6 ::ffff:127.0.0.1 ::1 1 2\r\n",
        ("127.0.0.1", 1),
        ("::1", 2),
    ),
    "v1 longest": (
        b"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        b" ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        None,
        None,
    ),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", None, None),
    "v2 TCP4": (
        bytes.fromhex(V2 + "21 11 000c cb007107 0a000001 c764 078f"),
        ("203.0.113.7", 51044),
        ("10.0.0.1", 1935),
    ),
    "v2 UDP4": (
        bytes.fromhex(V2 + "21 12 000c cb007107 0a000001 c764 078f"),
        ("203.0.113.7", 51044),
        ("10.0.0.1", 1935),
    ),
    "v2 TCP4 with authority TLV": (
        bytes.fromhex(V2 + "21 11 0013 cb007107 0a000001 c764 078f 02 0004 636c6f75"),
        ("203.0.113.7", 51044),
        ("10.0.0.1", 1935),
    ),
    "v2 TCP6": (
        bytes.fromhex(
            V2 + "21 21 0024 20010db8000000000000000000000007"
            "00000000000000000000000000000001 c764 078f"
        ),
        ("2001:db8::7", 51044),
        ("::1", 1935),
    ),
    "v2 IPv4 in IPv6": (
        bytes.fromhex(
            V2 + "21 22 0024 00000000000000000000ffff7f000001"
            "00000000000000000000000000000001 c764 078f"
        ),
        ("127.0.0.1", 51044),
        ("::1", 1935),
    ),
    "v2 unix": (bytes.fromhex(V2 + "21 31 00d8" + "2f" * 216), None, None),
    "v2 unspecified": (bytes.fromhex(V2 + "21 00 0000"), None, None),
    "v2 unspecified with TLV": (bytes.fromhex(V2 + "21 00 0003 040000"), None, None),
    "v2 LOCAL": (bytes.fromhex(V2 + "20 00 0000"), None, None),
    "v2 LOCAL with addresses": (
        bytes.fromhex(V2 + "20 ff 000c cb007107 0a000001 c764 078f"),
        None,
        None,
    ),
    "v2 largest": (bytes.fromhex(V2 + "21 00 0800" + "00" * 2048), None, None),
}

Address = tuple[str, int] | None
each_header = pytest.mark.parametrize(
    ("data", "source", "destination"), HEADERS.values(), ids=HEADERS.keys()
)


@each_header
def test_header_whole(data: bytes, source: Address, destination: Address) -> None:
    assert parse(data) == Parsed(source, destination, len(data))


@each_header
def test_header_byte_by_byte_needs_more_until_its_last_byte(
    data: bytes, source: Address, destination: Address
) -> None:
    assert all(parse(data[:size]) is None for size in range(len(data)))


@each_header
def test_header_with_rtmp_behind_it(data: bytes, source: Address, destination: Address) -> None:
    assert parse(data + b"\x03\r\n" + bytes(1536)) == Parsed(source, destination, len(data))


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"\x03", "no PROXY protocol header"),
        (b"GET / HTTP/1.1\r\n", "no PROXY protocol header"),
        (b"POST", "no PROXY protocol header"),
        (b"PROXY\tTCP4", "no PROXY protocol header"),
        (b"\r\n\r\n\x00\r\nQUIZ", "no PROXY protocol header"),
        (b"PROXY " + b"x" * 101, "no end of line in 107 bytes"),
        (b"PROXY \r\n", "not of the form"),
        (b"PROXY TCP4\r\n", "not of the form"),
        (b"PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", "not of the form"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", "not of the form"),
        (b"PROXY TCP4 1.2.3.4  1.2.3.4 1\r\n", "not a port"),
        (b"PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n", "not an IPv4 address"),
        (b"PROXY TCP4 ::1 1.2.3.4 1 1\r\n", "not an IPv4 address"),
        (b"PROXY TCP6 1.2.3.4 ::1 1 1\r\n", "not an IPv6 address"),
        (b"PROXY TCP6 fe80::1%lo ::1 1 1\r\n", "not an IPv6 address"),
        (b"PROXY TCP4 \xff 1.2.3.4 1 1\r\n", "not an IPv4 address"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", "not a port"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 -1\r\n", "not a port"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 000001 1\r\n", "not a port"),
        (bytes.fromhex(V2 + "11 11 0000"), "unknown version and command 0x11"),
        (bytes.fromhex(V2 + "22 11 0000"), "unknown version and command 0x22"),
        (bytes.fromhex(V2 + "21 41 0000"), "unknown address family 0x41"),
        (bytes.fromhex(V2 + "21 11 000b" + "00" * 11), "11 bytes of addresses, 12 needed"),
        (bytes.fromhex(V2 + "21 21 0000"), "0 bytes of addresses, 36 needed"),
        (bytes.fromhex(V2 + "21 31 0000"), "0 bytes of addresses, 216 needed"),
    ],
)
def test_what_is_no_header_is_refused_by_a_line_that_says_why(data: bytes, line: str) -> None:
    with pytest.raises(ProtocolError) as error:
        parse(data)
    assert line in str(error.value)


def test_header_over_the_limit_is_refused_before_its_body_arrives() -> None:
    with pytest.raises(LimitExceeded, match="2049 is over the limit of 2048"):
        parse(bytes.fromhex(V2 + "21 11 0801"))


@given(st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", bytes.fromhex(V2)]), st.binary(max_size=99))
def test_any_bytes_give_a_header_or_a_protocol_error(start: bytes, data: bytes) -> None:
    try:
        parsed = parse(start + data)
    except ProtocolError:
        return
    assert parsed is None or parsed.length <= len(start + data)
