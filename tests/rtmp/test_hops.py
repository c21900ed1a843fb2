"""Tests of headend.rtmp.hops."""

import pytest

from headend.rtmp.hops import MOST_HOPS, read_hops, write_hops

FIRST = "0f3a9c1b22d4e587"
SECOND = "a1b2c3d4e5f60718"


@pytest.mark.parametrize(
    ("version", "hops", "written"),
    [
        ("FMLE/3.0 (compatible; Headend)", (), "FMLE/3.0 (compatible; Headend)"),
        (
            "FMLE/3.0 (compatible; Headend)",
            (FIRST,),
            "FMLE/3.0 (compatible; Headend; via 0f3a9c1b22d4e587)",
        ),
        (
            "LNX 9,0,124,2",
            (FIRST, SECOND),
            "LNX 9,0,124,2 (Headend; via 0f3a9c1b22d4e587.a1b2c3d4e5f60718)",
        ),
    ],
)
def test_route_stands_behind_the_name_and_is_read_back(
    version: str, hops: tuple[str, ...], written: str
) -> None:
    assert write_hops(version, hops) == written
    assert read_hops(written) == hops


@pytest.mark.parametrize(
    "version",
    [
        "",
        "FMLE/3.0 (compatible; FMSc/1.0)",
        "FMLE/3.0 (compatible; Headend; via )",
        "FMLE/3.0 (compatible; Headend; via 0F3A9C1B22D4E587)",
        "FMLE/3.0 (compatible; Headend; via 0f3a9c1b22d4e587) more",
        "x; via " + ".".join([FIRST] * (MOST_HOPS + 1)) + ")",
    ],
)
def test_what_is_no_route_is_none(version: str) -> None:
    assert read_hops(version) == ()


def test_long_route_keeps_its_newest_servers() -> None:
    hops = tuple(f"{number:016x}" for number in range(MOST_HOPS + 2))
    assert read_hops(write_hops("v", hops)) == hops[2:]
