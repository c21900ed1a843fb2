"""Packets of MPEG-TS, written for tests."""

from headend.media.ts_tables import checked

# As FFmpeg writes them: program 1 with its PMT at PID 0x1000; H.264 at 0x100, AAC at 0x101.
PAT = bytes.fromhex("00b00d0001c100000001f000 2ab104b2".replace(" ", ""))
PMT = bytes.fromhex("02b0170001c10000e100f0001be100f0000fe101f0002f44b99b")
PMT_PID, VIDEO, AUDIO = 0x1000, 0x100, 0x101


def packet(
    pid: int, payload: bytes, counter: int = 0, *, begins: bool = False, field: bytes = b""
) -> bytes:
    """Write one packet; it is filled up behind `field`, an adaptation field without its length."""
    room = 184 - len(payload)
    if room or field:
        field = (field or b"\0").ljust(room - 1, b"\xff") if room > 1 else b""
        field = bytes((len(field),)) + field
    flags = (0x30 if field else 0x10) | counter
    head = bytes((0x47, (0x40 if begins else 0) | pid >> 8, pid & 255, flags))
    made = head + field + payload
    assert len(made) == 188
    return made


def table(pid: int, section: bytes) -> bytes:
    return packet(pid, (b"\0" + section).ljust(184, b"\xff"), begins=True)


def pmt(*streams: tuple[int, int, str]) -> bytes:
    body = bytes.fromhex("0001c10000e100f000")
    for kind, pid, descriptors in streams:
        data = bytes.fromhex(descriptors)
        body += bytes((kind,)) + (0xE000 | pid).to_bytes(2, "big")
        body += (0xF000 | len(data)).to_bytes(2, "big") + data
    return checked(b"\x02" + (0xB000 | len(body) + 4).to_bytes(2, "big") + body)


TABLES = table(0, PAT) + table(PMT_PID, PMT)
