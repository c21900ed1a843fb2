"""Tests of headend.settings.http."""

import pytest

from headend.errors import SettingsError
from headend.settings import load_settings


def test_list_of_a_flag_may_be_written_as_in_the_file() -> None:
    given = ('http.hosts=["a.example", "b.example"]', "rtmp.listen=[::1]:1935, :0")
    settings = load_settings(None, given, environ={}).settings
    assert settings.http.hosts == ("a.example", "b.example")
    assert [str(address) for address in settings.rtmp.listen] == ["[::1]:1935", ":0"]


def test_origins_and_hosts_are_lists_or_texts_with_commas() -> None:
    loaded = load_settings(
        None,
        ("http.origins=https://A.example, http://b.example:8000", "http.hosts=Live.example.com"),
        environ={},
    )
    assert loaded.settings.http.origins == ("https://a.example", "http://b.example:8000")
    assert loaded.settings.http.hosts == ("live.example.com",)


@pytest.mark.parametrize(
    "text", ["example.com", "https://example.com/", "ftp://example.com", "https://[", "**"]
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"http\.origins.* must be a list of origins"):
        load_settings(None, (f"http.origins={text}",), environ={})


@pytest.mark.parametrize("text", ["https://example.com", "a..b", "-a", "a:8080"])
def test_what_is_no_host_name_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"http\.hosts.* must be a list of host names"):
        load_settings(None, (f"http.hosts={text}",), environ={})


def test_a_number_is_no_list() -> None:
    with pytest.raises(SettingsError, match=r"http\.hosts"):
        load_settings(None, (), environ={"HEADEND_HTTP__HOSTS": "1,-2"})


def test_a_segment_may_not_be_longer_than_the_longest() -> None:
    with pytest.raises(SettingsError, match=r"hls\.longest_s.* less than hls\.segment_s \(6\)"):
        load_settings(None, ("hls.segment_s=6", "hls.longest_s=4"), environ={})
