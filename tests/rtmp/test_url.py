"""Tests of headend.rtmp.url."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.errors import LimitExceeded, ProtocolError, SettingsError
from headend.rtmp.url import Url, parse_url, stream_target


@pytest.mark.parametrize(
    ("text", "app", "name", "query"),
    [
        ("rtmp://h/a/k", "a", "k", ""),
        ("rtmp://h/a/b/k?x=1", "a/b", "k", "x=1"),
        ("rtmp://h/a/b/c/d?x=1&y=2", "a/b/c", "d", "x=1&y=2"),
        ("rtmp://h/a/k?token=b/c", "a", "k", "token=b/c"),
        ("rtmp://h/k", "k", "", ""),
        ("rtmp://h/k?x=1", "k", "", "x=1"),
        ("rtmp://h", "", "", ""),
        ("rtmp://h/", "", "", ""),
        ("rtmp://h?x=1", "", "", "x=1"),
        ("rtmp://h//a//k/", "a", "k", ""),
        ("  RTMP://h/a/k\n", "a", "k", ""),
        ("rtmp://h/a/K%20k", "a", "K%20k", ""),
    ],
)
def test_url_is_split_at_the_last_slash_before_the_query(
    text: str, app: str, name: str, query: str
) -> None:
    assert parse_url(text) == Url("rtmp", "h", None, app, name, query)


def test_query_travels_with_the_name_and_without_one_with_the_app() -> None:
    url = parse_url("rtmp://h/a/b/k?x=1")
    assert (url.connect_app, url.stream_name, url.tc_url) == ("a/b", "k?x=1", "rtmp://h/a/b")
    url = parse_url("rtmp://h/k?x=1")
    assert (url.connect_app, url.stream_name, url.tc_url) == ("k?x=1", "", "rtmp://h/k?x=1")
    url = parse_url("rtmp://h/a/k")
    assert (url.connect_app, url.stream_name) == ("a", "k")


@pytest.mark.parametrize(
    ("text", "host", "port", "connect_port", "is_tls", "tc_url"),
    [
        ("rtmp://h/a/k", "h", None, 1935, False, "rtmp://h/a"),
        ("rtmps://h/a/k", "h", None, 443, True, "rtmps://h/a"),
        ("rtmps://h:1936/a/k", "h", 1936, 1936, True, "rtmps://h:1936/a"),
        ("rtmp://[fe80::1%eth0]/a/k", "fe80::1%eth0", None, 1935, False, "rtmp://[fe80::1%eth0]/a"),
        (
            "rtmp://[fe80::1%25eth0]/a/k",
            "fe80::1%eth0",
            None,
            1935,
            False,
            "rtmp://[fe80::1%eth0]/a",
        ),
        ("rtmp://[::1]/a/k", "::1", None, 1935, False, "rtmp://[::1]/a"),
        ("rtmp://[2001:db8::7]:19/a/k", "2001:db8::7", 19, 19, False, "rtmp://[2001:db8::7]:19/a"),
        ("rtmp://10.0.0.7:65535/a/k", "10.0.0.7", 65535, 65535, False, "rtmp://10.0.0.7:65535/a"),
    ],
)
def test_host_and_port(
    text: str, host: str, port: int | None, connect_port: int, is_tls: bool, tc_url: str
) -> None:
    url = parse_url(text)
    assert (url.host, url.port, url.connect_port) == (host, port, connect_port)
    assert url.place == (f"[{host}]:{connect_port}" if ":" in host else f"{host}:{connect_port}")
    assert (url.is_tls, url.tc_url) == (is_tls, tc_url)


def test_user_and_password_are_decoded_and_kept_out_of_the_tc_url_and_of_repr() -> None:
    url = parse_url("rtmp://me:p%40ss@h:1935/a/k?key=geheim")
    assert (url.user, url.password, url.host) == ("me", "p@ss", "h")
    assert url.tc_url == "rtmp://h:1935/a"
    assert "p@ss" not in repr(url)
    assert "geheim" not in repr(url)
    assert parse_url("rtmp://h/a/k").user is None


@pytest.mark.parametrize(
    ("server", "key", "app", "stream_name"),
    [
        ("rtmp://h/live2", "abcd-efgh", "live2", "abcd-efgh"),
        ("rtmps://h:443/rtmp/", "FB-1-0-Ab?s_bl=1&a=Ab", "rtmp", "FB-1-0-Ab?s_bl=1&a=Ab"),
        ("rtmp://h/a/b", "c/d?x=1", "a/b", "c/d?x=1"),
        ("rtmp://h", "k", "", "k"),
    ],
)
def test_a_platform_key_is_joined_to_its_server_verbatim(
    server: str, key: str, app: str, stream_name: str
) -> None:
    url = parse_url(server, key)
    assert (url.app, url.connect_app, url.stream_name) == (app, app, stream_name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h/a/k",
        "http://h/a/k",
        "rtmpt://h/a/k",
        "rtmp:/h/a/k",
        "rtmp:///a/k",
        "rtmp://:1935/a/k",
        "rtmp://h:0/a/k",
        "rtmp://h:65536/a/k",
        "rtmp://h:port/a/k",
        "rtmp://h:/a/k",
        "rtmp://::1/a/k",
        "rtmp://[fe80::1%]/a/k",
        "rtmp://[fe80::1%a b]/a/k",
        "rtmp://[::1/a/k",
        "rtmp://[h]/a/k",
        "rtmp://a b/a/k",
        "rtmp://h/a\r\n/k",
        "rtmp://h/a/\x00",
    ],
)
def test_what_is_no_url_is_a_settings_error(text: str) -> None:
    with pytest.raises(SettingsError, match="URL"):
        parse_url(text)


def test_error_about_a_url_shows_no_secret() -> None:
    with pytest.raises(SettingsError) as error:
        parse_url("http://me:geheim1@h/a/k?key=geheim2&token=geheim3")
    assert "http://***@h/a/k?key=***&token=***" in str(error.value)


@pytest.mark.parametrize(
    ("app", "tc_url", "name", "expected"),
    [
        ("live", "rtmp://h/live", "cam", ("live", "cam")),
        # rtmp://h/a/b/c/d by FFmpeg and by GStreamer
        ("a/b", "rtmp://h/a/b", "c/d", ("a/b/c", "d")),
        ("a/b/c", "rtmp://h/a/b/c", "d", ("a/b/c", "d")),
        # rtmp://h/k by FFmpeg; an OpenIPC camera has no app
        ("k", "rtmp://h:1935/k", "", ("k", "")),
        ("", "rtmp://h", "k", ("k", "")),
        ("", "", "a/b", ("a", "b")),
        # app from the path of tcUrl
        ("", "rtmp://h:1935/live", "cam", ("live", "cam")),
        ("", "rtmp://h/live?x=1", "cam", ("live", "cam")),
        ("", "not a url", "cam", ("cam", "")),
        ("live", "", "cam", ("live", "cam")),
        # slashes, instance, quotes, librtmp options, containers
        ("/live/", "", "/cam/", ("live", "cam")),
        ("live//", "", "//a//cam", ("live/a", "cam")),
        ("live/_definst_", "", "cam", ("live", "cam")),
        ("'live'", "'rtmp://h/live'", "'cam'", ("live", "cam")),
        ("", "'rtmp://h/live'", "cam", ("live", "cam")),
        ("live", "", "cam live=1", ("live", "cam")),
        ("live", "", "cam  live=1 timeout=5", ("live", "cam")),
        ("live live=1", "", "", ("live", "")),
        ("live", "", "'cam live=1'", ("live", "cam")),
        ("live", "", "mp4:cam", ("live", "cam")),
        ("live", "", "MP4:a/cam.mp4", ("live/a", "cam.mp4")),
        ("live", "", "flv:cam", ("live", "cam")),
        ("live", "", "mp3:cam", ("live", "cam")),
        ("live", "", "f4v:cam", ("live", "cam")),
        # what is allowed
        ("live", "", "my cam", ("live", "my cam")),
        ("live", "", "it's", ("live", "it's")),
        ("Zürich", "", "Kamera-1_ä.b~", ("Zürich", "Kamera-1_ä.b~")),
        ("live", "", "...", ("live", "...")),
        ("live", "", "cam%20%2F", ("live", "cam%20%2F")),
        ("live", "", "é" * 127, ("live", "é" * 127)),
    ],
)
def test_every_client_names_the_same_stream(
    app: str, tc_url: str, name: str, expected: tuple[str, str]
) -> None:
    target = stream_target(app, tc_url, name)
    assert (target.app, target.name) == expected
    assert target.key is target.token is None


def test_path_joins_app_and_name() -> None:
    assert stream_target("live", "", "cam").path == "live/cam"
    assert stream_target("live", "", "").path == "live"


@pytest.mark.parametrize(
    ("app", "tc_url", "name", "query"),
    [
        ("live", "rtmp://h/live", "cam?key=a&x=1", {"key": "a", "x": "1"}),
        ("live?key=a", "rtmp://h/live", "cam", {"key": "a"}),
        ("live", "rtmp://h/live?key=a", "cam", {"key": "a"}),
        ("live", "rtmp://h?key=a", "cam", {"key": "a"}),
        ("live", "x?key=a", "cam", {}),
        ("live?key=app&a=1", "rtmp://h/live?key=tc&t=1", "cam?key=name", None),
        ("live", "", "cam?key=a%2Fb%3D+c", {"key": "a/b=+c"}),
        ("live", "", "cam?key=a=b", {"key": "a=b"}),
        ("live", "", "cam?flag&=x&&y=", {"flag": "", "y": ""}),
        ("live", "", "cam?key=a live=1", {"key": "a"}),
        ("live", "", "cam?key=%FF", {"key": "\ufffd"}),
    ],
)
def test_query_may_sit_anywhere_and_the_name_wins(
    app: str, tc_url: str, name: str, query: dict[str, str] | None
) -> None:
    target = stream_target(app, tc_url, name)
    assert target.path == "live/cam"
    assert target.query == (query if query is not None else {"key": "name", "a": "1", "t": "1"})
    assert target.key == target.query.get("key")


def test_key_and_token_are_told_and_not_shown() -> None:
    target = stream_target("live", "", "cam?key=geheim1&token=geheim2")
    assert (target.key, target.token) == ("geheim1", "geheim2")
    assert "geheim" not in repr(target)


@pytest.mark.parametrize(
    ("app", "name", "expected"),
    [
        ("live", "hk_abc", ("live", "", "hk_abc")),
        ("a/b", "hk_abc?token=t", ("a/b", "", "hk_abc")),
        ("hk_abc", "", ("", "", "hk_abc")),
        ("", "hk_abc", ("", "", "hk_abc")),
        ("live", "hk_abc?key=other", ("live", "", "hk_abc")),
    ],
)
def test_a_key_alone_leaves_the_name_empty(
    app: str, name: str, expected: tuple[str, str, str]
) -> None:
    target = stream_target(app, "", name)
    assert (target.app, target.name, target.key) == expected


@pytest.mark.parametrize(
    ("app", "name", "line"),
    [
        ("live", "a\\b", "segment 2 of the stream's path holds \\, which is not allowed"),
        ("live", "a:b", "holds :, which"),
        ("a*", "b", "segment 1 of the stream's path holds *, which is not allowed"),
        ("live", 'a"', 'holds "'),
        ("live", "a<", "holds <"),
        ("live", "a>", "holds >"),
        ("live", "a|", "holds |"),
        ("live", "a\nb", "holds U+000A, which cannot be printed"),
        ("live", "a\x00", "holds U+0000"),
        ("live", "a\u202eb", "holds U+202E"),
        ("live", "a\ud800", "holds U+D800"),
        ("live", ".", "segment 2 of the stream's path is ., which is not allowed"),
        ("..", "a", "segment 1 of the stream's path is ..,"),
        ("", "", "neither an app nor a stream name is given"),
        ("_definst_", "/", "neither an app nor a stream name is given"),
        ("live", "a" * 256, "segment 2 of the stream's path: 256 is over the limit of 255"),
        ("live", "é" * 128, "segment 2 of the stream's path: 256 is over the limit of 255"),
        ("a/" * 510, "b/cde", "bytes of the stream's path: 1025 is over the limit of 1024"),
        ("a" * 4097, "b", "bytes of app: 4097 is over the limit of 4096"),
    ],
)
def test_a_path_that_is_not_allowed_is_refused_by_a_line_that_names_why(
    app: str, name: str, line: str
) -> None:
    with pytest.raises(ProtocolError) as error:
        stream_target(app, "", name)
    assert line in str(error.value)
    assert str(error.value).isprintable()


def test_a_path_of_1024_bytes_is_allowed() -> None:
    assert len(stream_target("a/" * 510, "", "b/cd").path) == 1024


def test_limits_are_told_by_name() -> None:
    with pytest.raises(LimitExceeded, match="bytes of tcUrl"):
        stream_target("live", "rtmp://h/" + "x" * 5000, "cam")


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_any_text_gives_a_safe_target_or_a_protocol_error(app: str, tc: str, name: str) -> None:
    try:
        target = stream_target(app, "rtmp://h/" + tc, name)
    except ProtocolError:
        return
    assert target.path.isprintable()
    assert not set(target.path) & set('\\:*?"<>|')
    assert not {".", ".."} & set(target.path.split("/"))


@given(st.text(max_size=60))
def test_any_text_gives_a_url_or_a_settings_error(text: str) -> None:
    try:
        url = parse_url("rtmp://h" + text)
    except SettingsError:
        return
    assert url.host.startswith("h") or "@" in text


@pytest.mark.parametrize(
    ("name", "is_bare"),
    [("hk_abc", True), ("hk_abc?key=other", True), ("a?key=hk_abc", False), ("a", False)],
)
def test_target_says_whether_a_key_stands_for_the_name(name: str, is_bare: bool) -> None:
    assert stream_target("live", "", name).is_bare is is_bare


def test_key_of_a_stream_without_a_name_is_not_bare() -> None:
    assert not stream_target("live", "", "?key=hk_abc").is_bare
