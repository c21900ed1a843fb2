"""Tests of what is read of a TLS client's first message."""

import pytest
from tests.wire import wire

from headend.errors import ProtocolError
from headend.tls.client_hello import ClientHello, lacks, parse

# RFC 8448, 3, "Simple 1-RTT Handshake": the client's first record.
RFC_8448 = wire(
    "16 0301 00c4 01 0000c0 0303 cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7 "
    "00 0006 130113031302 01 00 0091 0000 000b 0009 00 0006 736572766572 ff01 0001 00 "
    "000a 0014 0012001d00170018001901000101010201030104 0023 0000 "
    "0033 0026 0024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c "
    "002b 0003 020304 "
    "000d 0020 001e040305030603020308040805080604010501060102010402050206020202 "
    "002d 0002 0101 001c 0002 4001"
)

RANDOM = "00" * 32
# The authority's of RFC 8737, 3: the name to check, and acme-tls/1 alone.
AUTHORITY = wire(
    f"16 0301 0056 01 000052 0303 {RANDOM} 00 0002 1301 01 00 0027 "
    "0000 000e 000c 00 0009 412e6578616d706c65 "
    "0010 000d 000b 0a 61636d652d746c732f31 "
    "0017 0000"
)


def test_name_is_read_of_a_real_client() -> None:
    assert len(RFC_8448) == 201
    assert parse(RFC_8448) == ClientHello("server", ())


def test_name_is_in_lower_case_and_protocols_are_in_order() -> None:
    assert parse(AUTHORITY) == ClientHello("a.example", (b"acme-tls/1",))
    browser = wire(
        f"16 0303 0041 01 00003d 0303 {RANDOM} 00 0002 1301 01 00 0012 "
        "0010 000e 000c 02 6832 08 687474702f312e31"
    )
    assert parse(browser) == ClientHello(None, (b"h2", b"http/1.1"))


@pytest.mark.parametrize("hello", [RFC_8448, AUTHORITY], ids=["rfc-8448", "authority"])
def test_part_of_a_message_is_waited_for_and_what_follows_is_not_looked_at(hello: bytes) -> None:
    whole = parse(hello)
    for end in range(len(hello)):
        assert parse(hello[:end]) is None
    assert parse(hello + b"\x14\x03\x03\x00\x01\x01GET /") == whole


def test_message_may_come_in_several_records() -> None:
    body = AUTHORITY[5:]
    records = b"".join(b"\x16\x03\x01\x00\x01" + bytes([each]) for each in body)
    assert parse(records) == parse(AUTHORITY)
    assert parse(records[:-1]) is None


def test_client_without_extensions_asks_for_nothing() -> None:
    bare = wire(f"16 0301 002d 01 000029 0303 {RANDOM} 00 0002 002f 01 00")
    assert parse(bare) == ClientHello(None, ())


def test_name_of_another_kind_is_none() -> None:
    name = "0000 0005 0003 01 0000"
    hello = wire(f"16 0301 0038 01 000034 0303 {RANDOM} 00 0002 002f 01 00 0009 {name}")
    assert parse(hello) == ClientHello(None, ())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", "no TLS handshake"),
        (wire("03 00000000"), "no TLS handshake"),  # RTMP
        (wire("16 02"), "no TLS handshake"),
        (wire("16 0301 0000"), "a TLS record of 0 bytes"),
        (wire("16 0301 4001"), "a TLS record of 16385 bytes"),
        (wire("16 0301 0001 02"), "a TLS handshake starts with a ClientHello, not 2"),
        (wire("16 0301 0004 01 003ffd"), "a ClientHello of 16385 bytes; at most 16384"),
        (wire("16 0301 0006 01 000002 0303"), "the ClientHello is cut short"),
        (wire("16 0301 0004 01 000000"), "the ClientHello is cut short"),
        (wire("16 0301 0009 01 000005 0303000000 15"), "the ClientHello is cut short"),
    ],
)
def test_what_is_no_client_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=f"^{reason}$"):
        parse(data)


# ---------------------------------------------------------------------- without parsing


def test_message_without_a_protocol_is_told_at_once() -> None:
    assert lacks(RFC_8448, [b"http/1.1"])
    assert lacks(AUTHORITY, [b"http/1.1"])
    assert not lacks(AUTHORITY, [b"http/1.1", b"acme-tls/1"])
    assert lacks(RFC_8448 + b"more", [b"http/1.1"])


@pytest.mark.parametrize("size", range(len(RFC_8448)))
def test_message_that_is_not_whole_takes_a_closer_look(size: int) -> None:
    assert not lacks(RFC_8448[:size], [b"http/1.1"])


@pytest.mark.parametrize(
    "data", [bytes(300), b"GET / HTTP/1.1\r\n\r\n", wire("16 0301 0004 02 000000 00")]
)
def test_no_client_of_tls_takes_a_closer_look(data: bytes) -> None:
    assert not lacks(data, [b"acme-tls/1"])


def test_message_in_two_records_takes_a_closer_look() -> None:
    whole = RFC_8448[5:]
    pieces = [whole[:50], whole[50:]]
    records = b"".join(b"\x16\x03\x01" + len(p).to_bytes(2, "big") + p for p in pieces)
    assert not lacks(records, [b"http/1.1"])
