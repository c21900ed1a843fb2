"""What srt:// URLs say, and what in them is a secret."""

import pytest

from headend.errors import SettingsError
from headend.settings.relay import RelayIn, RelayOut
from headend.srt_url import CallOptions, SrtUrl, is_srt, parse_srt_url, srt_secrets


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("srt://host:8890", SrtUrl("host", 8890)),
        ("SRT://[::1]:1/?mode=caller", SrtUrl("::1", 1)),
        ("srt://:9000?mode=listener", SrtUrl("", 9000, is_listener=True)),
        (
            "srt://h:1?streamid=publish:live/a?key=k&latency=400&passphrase=0123456789&pbkeylen=32",
            SrtUrl("h", 1, options=CallOptions("publish:live/a?key=k", 400, "0123456789", 32)),
        ),
        (
            "srt://h:1?streamid=#!::m=publish,r=live/a&transtype=live&pkt_size=1316",
            SrtUrl("h", 1, options=CallOptions("#!::m=publish,r=live/a")),
        ),
        ("srt://h:1?streamid=a%26b+c", SrtUrl("h", 1, options=CallOptions("a&b+c"))),
    ],
)
def test_a_url_says_where_to_and_what_for(text: str, url: SrtUrl) -> None:
    parsed = parse_srt_url(text)
    assert parsed == url
    assert parsed.options == url.options


def test_a_place_is_shown_as_it_is_written() -> None:
    assert parse_srt_url("srt://[::1]:1").place == "[::1]:1"
    assert parse_srt_url("srt://a.example:1").place == "a.example:1"
    assert is_srt(" SRT://h:1")
    assert not is_srt("rtmp://h/srt")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("srt://h", "the port is missing"),
        ("srt://h:port", "cannot be taken apart"),
        ("srt://:1", "no host in it"),
        ("srt:// h\n:1", "expected srt://"),
        ("rtmp://h:1", "expected srt://"),
        ("srt://h:1/live/a", "SRT has no path"),
        ("srt://ann:secret@h:1", "SRT has no user"),
        ("srt://h:1?mode=rendezvous", "mode must be caller or listener"),
        ("srt://h:1?pasphrase=0123456789", "option 'pasphrase' is none of mode, streamid"),
        ("srt://h:1?transtype=file", "option 'transtype' is none of"),
        ("srt://h:1?passphrase=short", "passphrase must have 10 to 79 bytes"),
        ("srt://h:1?pbkeylen=20", "pbkeylen must be 16, 24 or 32"),
        ("srt://h:1?latency=19", "latency must be 20 to 8000 milliseconds"),
        ("srt://h:1?latency=x", "latency must be 20 to 8000 milliseconds"),
        ("srt://h:1?latency=400000", "FFmpeg counts microseconds: that is latency=400 here"),
        ("srt://h:1?streamid=" + "a" * 513, "more than 512 bytes"),
    ],
)
def test_a_wrong_url_is_one_line_without_its_secrets(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_srt_url(text)
    assert said in str(caught.value)
    assert "0123456789" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "secrets"),
    [
        ("streamid=read:live/a", ()),
        ("streamid=publish:live/a?key=hidden&passphrase=0123456789", ("hidden", "0123456789")),
        ("streamid=#!::m=publish,r=live/a,key=hidden", ("hidden",)),
        ("streamid=#!::r=live/a?token=hidden%2526,m=request", ("hidden&",)),
        ("streamid=5f2a-of-another-server&latency=200", ("5f2a-of-another-server",)),
    ],
)
def test_passphrase_key_token_and_foreign_stream_ids_are_secrets(
    query: str, secrets: tuple[str, ...]
) -> None:
    assert srt_secrets(f"srt://h:1?{query}") == secrets


# ------------------------------------------------------------------ as settings of relays


def test_a_relay_shows_no_secret_of_its_url() -> None:
    url = "srt://h:1?streamid=publish:live/{name}?key=hidden-key&passphrase=0123456789"
    relay = RelayOut.model_validate({"match": "live/*", "url": url})
    assert relay.shown_url == "srt://h:1?…"
    assert set(relay.secrets) == {"hidden-key", "0123456789"}
    assert "0123456789" not in repr(relay) + relay.model_dump_json()


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"url": "srt://h:1?mode=listener"}, "mode=listener is for relays in"),
        ({"url": "srt://{name}:1"}, "have no place in the host"),
        ({"url": "srt://h:1?latency=1"}, "latency must be"),
        ({"url": "srt://h:1", "key": "k"}, "key and preset are for RTMP"),
        ({"url": "srt://h:1", "preset": "twitch"}, "key and preset are for RTMP"),
    ],
)
def test_a_relay_out_that_makes_no_sense_is_refused(item: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RelayOut.model_validate({"match": "live/*", **item})


def test_a_relay_in_may_listen() -> None:
    relay = RelayIn.model_validate({"match": "live/a", "url": "srt://:9000?mode=listener"})
    assert relay.shown_urls == ("srt://:9000?…",)
