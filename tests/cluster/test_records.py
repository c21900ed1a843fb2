"""Tests of the records of members."""

from headend.cluster.records import read_record, write_record
from headend.directory.values import Member

SECRET = b"a secret of sixteen or more"
ONE = Member("one", "b1", "rtmp://10.0.0.1:1935", "http://10.0.0.1:8080", worker=0)


def test_member_is_read_as_it_was_written() -> None:
    for member in (ONE, Member("two", "b1", "rtmps://x", public="rtmp://a http://a")):
        assert read_record(write_record(member, SECRET), "b1", SECRET) == member


def test_record_of_a_server_that_tells_no_public_address_is_read() -> None:
    import json

    from headend.cluster.records import _sign

    values = {"node": "one", "boot": "b1", "rtmp": ONE.rtmp, "http": ONE.http, "worker": 0}
    text = json.dumps(values)
    assert read_record(f"{_sign(text, SECRET)} {text}", "b1", SECRET) == ONE
    wrong = json.dumps({**values, "public": 7})
    assert read_record(f"{_sign(wrong, SECRET)} {wrong}", "b1", SECRET) is None
