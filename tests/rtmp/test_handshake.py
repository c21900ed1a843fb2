"""Tests of headend.rtmp.handshake."""

import hashlib
import hmac
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.errors import ProtocolError, UsageError
from headend.rtmp.handshake import ClientHandshake, ServerHandshake

# docs/protocol.md: C1[0:4] = 0, C1[4:8] = 09 00 7c 02, C1[i] = (7 i + 3) & 255 from 8 on, with the
# digest written over it; the signed part of S2 is (5 i + 1) & 255.
PATTERN = bytes.fromhex("0000000009007c02") + bytes((7 * i + 3) & 255 for i in range(8, 1536))
FILLER = bytes(i % 253 for i in range(1528)) + bytes((5 * i + 1) & 255 for i in range(1504))

SCHEME_A = (
    8,
    "3b424950",
    290,
    "612af37c38c4a1b74e5737fc4021ded17ed92a9431c19bc665cf421131bad8a6",
    "0414118a39ca0f9a01eea8e29c16609bc0832e817fd4e95b529ae1d4d5b45181",
)
SCHEME_B = (
    772,
    "1f262d34",
    942,
    "e6a7fbdda4aab503b4e693e92d6f18d9d4b89f3ef0e95fffe767a4830aa37109",
    "bef6167a0f06c7be709745d27cb41c66c5f7af0a5cbba42ac8d05b2a3b2195f9",
)

SIMPLE_C1 = bytes(8) + bytes(i % 251 for i in range(1528))
C2 = bytes(range(256)) * 6


def signed_c1(offset: int, digest: str) -> bytes:
    return PATTERN[:offset] + bytes.fromhex(digest) + PATTERN[offset + 32 :]


def test_simple_handshake_answers_3073_bytes_after_c1() -> None:
    handshake = ServerHandshake(FILLER)
    reply = handshake.receive_data(b"\x03" + SIMPLE_C1)
    assert len(reply) == 3073
    assert reply[0] == 3
    assert reply[1:9] == bytes(8)  # time and, for FFmpeg players, four zeros
    assert reply[9:1537] == FILLER[:1528]
    assert reply[1537:] == SIMPLE_C1
    assert not handshake.is_done


def test_whole_handshake_with_chunks_behind_c2_in_one_piece() -> None:
    handshake = ServerHandshake(FILLER)
    reply = handshake.receive_data(b"\x03" + SIMPLE_C1 + C2 + b"\x02\x00\x00\x00")
    assert len(reply) == 3073
    assert handshake.is_done
    assert handshake.rest == b"\x02\x00\x00\x00"


def test_handshake_byte_by_byte_answers_once_and_at_the_last_byte_of_c1() -> None:
    handshake = ServerHandshake(FILLER)
    replies = {}
    for index, byte in enumerate(b"\x03" + SIMPLE_C1 + C2):
        assert not handshake.is_done
        if reply := handshake.receive_data(bytes([byte])):
            replies[index] = len(reply)
    assert replies == {1536: 3073}
    assert handshake.is_done
    assert handshake.rest == b""


@given(st.lists(st.integers(0, 3082), max_size=12))
def test_handshake_in_random_pieces_gives_the_same_bytes(cuts: list[int]) -> None:
    text = b"\x03" + SIMPLE_C1 + C2 + b"chunkbytes"
    handshake = ServerHandshake(FILLER)
    sent = rest = b""
    edges = [0, *sorted(cuts), len(text)]
    for start, end in pairwise(edges):
        if handshake.is_done:
            rest += text[start:end]
        else:
            sent += handshake.receive_data(text[start:end])
    assert sent == b"\x03" + bytes(8) + FILLER[:1528] + SIMPLE_C1
    assert handshake.rest + rest == b"chunkbytes"


def test_empty_data_changes_nothing() -> None:
    handshake = ServerHandshake(FILLER)
    assert handshake.receive_data(b"") == b""
    assert not handshake.is_done


@pytest.mark.parametrize("scheme", [SCHEME_A, SCHEME_B], ids=["A", "B"])
def test_client_digest_is_answered_with_the_same_scheme(
    scheme: tuple[int, str, int, str, str],
) -> None:
    pointer, pointer_bytes, offset, digest, tail = scheme
    c1 = signed_c1(offset, digest)
    assert c1[pointer : pointer + 4] == bytes.fromhex(pointer_bytes)

    reply = ServerHandshake(FILLER).receive_data(b"\x03" + c1)

    s1, s2 = reply[1:1537], reply[1537:]
    assert s1[:8] == bytes.fromhex("0000000004050001")
    place = pointer + 4 + sum(s1[pointer : pointer + 4]) % 728
    expected = hmac.new(
        b"Genuine Adobe Flash Media Server 001", s1[:place] + s1[place + 32 :], hashlib.sha256
    )
    assert s1[place : place + 32] == expected.digest()
    assert s2[:1504] == FILLER[1528:]
    assert s2[1504:] == bytes.fromhex(tail)


def test_a_digest_that_does_not_validate_gets_the_simple_answer() -> None:
    c1 = signed_c1(290, "00" * 32)
    reply = ServerHandshake(FILLER).receive_data(b"\x03" + c1)
    assert reply[5:9] == bytes(4)
    assert reply[1537:] == c1


@pytest.mark.parametrize(
    ("first", "line"),
    [
        ("06", "RTMPE (version 6) is not supported, use rtmps"),
        ("08", "RTMPE (version 8) is not supported, use rtmps"),
        ("09", "RTMPE (version 9) is not supported, use rtmps"),
        ("16", "TLS on a plain RTMP port"),
        ("0d", "PROXY protocol header"),
        ("47", "HTTP (or a PROXY protocol header) on an RTMP port"),
        ("50", "HTTP (or a PROXY protocol header) on an RTMP port"),
        ("4f", "HTTP (or a PROXY protocol header) on an RTMP port"),
        ("48", "HTTP (or a PROXY protocol header) on an RTMP port"),
        ("00", "the first byte is 0x00"),
        ("20", "the first byte is 0x20"),
    ],
)
def test_another_first_byte_is_refused_at_once_with_a_line_for_a_person(
    first: str, line: str
) -> None:
    with pytest.raises(ProtocolError) as error:
        ServerHandshake(FILLER).receive_data(bytes.fromhex(first))
    assert line in str(error.value)


@given(st.binary(max_size=64))
def test_any_opening_bytes_give_a_protocol_error_or_patience(data: bytes) -> None:
    try:
        assert ServerHandshake(FILLER).receive_data(data) == b""
    except ProtocolError:
        assert data[0] != 3


def test_data_after_the_end_is_a_bug_of_the_caller() -> None:
    handshake = ServerHandshake(FILLER)
    handshake.receive_data(b"\x03" + SIMPLE_C1 + C2)
    with pytest.raises(UsageError):
        handshake.receive_data(b"x")


def test_filler_of_a_wrong_size_is_a_bug_of_the_caller() -> None:
    with pytest.raises(UsageError, match="3032 needed"):
        ServerHandshake(b"")
    with pytest.raises(UsageError, match="1528 needed"):
        ClientHandshake(bytes(1527))


S1 = bytes.fromhex("0000000a 04050001") + bytes(i % 241 for i in range(1528))
S2 = bytes(1536)


def test_client_starts_with_version_3_and_zeros_before_its_filler() -> None:
    handshake = ClientHandshake(FILLER[:1528])
    assert handshake.data_to_send() == b"\x03" + bytes(8) + FILLER[:1528]
    assert handshake.data_to_send() == b""


def test_client_repeats_s1_as_c2_before_s2_arrives() -> None:
    handshake = ClientHandshake(FILLER[:1528])
    handshake.data_to_send()
    handshake.receive_data(b"\x03" + S1[:-1])
    assert handshake.data_to_send() == b""
    handshake.receive_data(S1[-1:])
    assert handshake.data_to_send() == S1
    assert not handshake.is_done
    handshake.receive_data(S2)
    assert handshake.is_done
    assert handshake.data_to_send() == b""


def test_client_accepts_any_s2_and_keeps_what_follows() -> None:
    handshake = ClientHandshake(FILLER[:1528])
    handshake.data_to_send()
    handshake.receive_data(b"\x03" + S1 + S2 + b"\x02rest")
    assert handshake.is_done
    assert handshake.data_to_send() == S1
    assert handshake.rest == b"\x02rest"
    with pytest.raises(UsageError):
        handshake.receive_data(b"x")


def test_client_takes_the_answer_byte_by_byte() -> None:
    handshake = ClientHandshake(FILLER[:1528])
    handshake.data_to_send()
    handshake.receive_data(b"")
    for byte in b"\x03" + S1 + S2:
        assert not handshake.is_done
        handshake.receive_data(bytes([byte]))
    assert handshake.is_done
    assert handshake.data_to_send() == S1


@pytest.mark.parametrize(
    ("first", "line"),
    [
        (b"\x15\x03\x03", "use rtmps://"),
        (b"\x16", "use rtmps://"),
        (b"HTTP/1.1 400", "speaks HTTP"),
        (b"\x06", "first byte is 0x06"),
    ],
)
def test_client_refuses_a_server_of_another_kind(first: bytes, line: str) -> None:
    with pytest.raises(ProtocolError, match=line):
        ClientHandshake(FILLER[:1528]).receive_data(first)


def test_client_and_server_understand_each_other() -> None:
    client, server = ClientHandshake(FILLER[:1528]), ServerHandshake(FILLER)
    client.receive_data(server.receive_data(client.data_to_send()))
    assert client.is_done
    assert server.receive_data(client.data_to_send()) == b""
    assert server.is_done
