"""Tests of the values that settings are made of."""

import ipaddress
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from headend.errors import SettingsError
from headend.settings.texts import quoted
from headend.settings.values import (
    Address,
    Count,
    Folder,
    Listen,
    Networks,
    OptionalFile,
    Size,
    default_data_folder,
    parse_address,
    size_text,
)


class Values(BaseModel):
    listen: Listen = ()
    networks: Networks = ()
    size: Size = 0
    count: Count = 0
    folder: Folder = Path()
    file: OptionalFile = None


@pytest.mark.parametrize(
    ("text", "host", "port", "path"),
    [
        (":1935", None, 1935, None),
        ("127.0.0.1:0", "127.0.0.1", 0, None),
        ("[::1]:1935", "::1", 1935, None),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", 1, None),
        ("localhost:65535", "localhost", 65535, None),
        ("unix:/run/headend.sock", None, None, "/run/headend.sock"),
        ("off", None, None, None),
    ],
)
def test_every_form_of_an_address_is_read_and_shown_alike(
    text: str, host: str | None, port: int | None, path: str | None
) -> None:
    address = parse_address(text)
    assert (address.host, address.port, address.path) == (host, port, path)
    assert str(address) == text
    assert address.is_off == (text == "off")


@pytest.mark.parametrize(
    "text",
    ["", "1935", "::1:1935", "[localhost]:1", "[1::2::3]:1", ":65536", ":-1", "a b:1", ":19\x1b35"],
)
def test_what_is_no_address_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(
        SettingsError, match=r"is no address: write :1935, .* unix:/path or off"
    ) as e:
        parse_address(text)
    assert str(e.value).isprintable()


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 108])
def test_path_of_a_unix_socket_must_fit_the_kernel(path: str) -> None:
    with pytest.raises(SettingsError, match="unix: takes a path of 1 to 107 bytes"):
        parse_address(f"unix:{path}")


@pytest.mark.parametrize("value", [":1, [::1]:2", [":1", "[::1]:2"]])
def test_listen_takes_a_list_or_a_text_with_commas(value: object) -> None:
    listen = Values.model_validate({"listen": value}).listen
    assert listen == (Address(port=1), Address(host="::1", port=2))


def test_listen_off_is_no_address_at_all_and_shown_as_off() -> None:
    values = Values.model_validate({"listen": "off"})
    assert values.listen == ()
    assert values.model_dump(mode="json")["listen"] == ["off"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], 'an address is missing; "off" switches the listener off'),
        (["off", ":1"], '"off" stands alone'),
        (["one"], '"one" is no address'),
        (5, "Value error, "),
    ],
)
def test_wrong_listen_values_are_refused(value: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Values.model_validate({"listen": value})


def test_networks_are_read_with_or_without_a_prefix_length() -> None:
    values = Values.model_validate({"networks": "10.1.2.3/8, ::1"})
    assert values.networks == (
        ipaddress.IPv4Network("10.0.0.0/8"),
        ipaddress.IPv6Network("::1/128"),
    )
    assert values.model_dump(mode="json")["networks"] == ["10.0.0.0/8", "::1/128"]


def test_wrong_network_is_refused_with_examples() -> None:
    with pytest.raises(ValidationError, match=r'such as "10\.0\.0\.0/8"'):
        Values.model_validate({"networks": ["10.0.0.0/33"]})


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (5, 5),
        ("5", 5),
        ("7 B", 7),
        ("64KiB", 65_536),
        ("16 MiB", 16_777_216),
        ("1 gib", 1_073_741_824),
        ("2.5 MB", 2_500_000),
        ("3 kB", 3_000),
        ("1 GB", 1_000_000_000),
    ],
)
def test_sizes_are_numbers_of_bytes_or_texts_with_a_unit(value: object, size: int) -> None:
    assert Values.model_validate({"size": value}).size == size


@pytest.mark.parametrize("value", ["", "MiB", "1 TiB", "-1", "1e3", True, None, 1.5])
def test_what_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        Values.model_validate({"size": value})


def test_true_is_no_number() -> None:
    with pytest.raises(ValidationError):
        Values.model_validate({"count": True})


def test_folder_expands_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert Values.model_validate({"folder": "~/x"}).folder == Path("/home/ann/x")


@pytest.mark.parametrize("value", ["", 5, "a\0b"])
def test_what_is_no_folder_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="must be the path of a folder"):
        Values.model_validate({"folder": value})


def test_empty_text_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    values = Values.model_validate({"file": "~/ca.pem"})
    assert values.file == Path("/home/ann/ca.pem")
    assert values.model_dump(mode="json")["file"] == "/home/ann/ca.pem"
    assert Values.model_validate({"file": ""}).file is None
    assert Values().model_dump(mode="json")["file"] == ""


@pytest.mark.parametrize("value", [5, "a\0b"])
def test_what_is_no_file_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="must be the path of a file"):
        Values.model_validate({"file": value})


@pytest.mark.parametrize(
    ("environ", "platform", "folder"),
    [
        ({"HOME": "/h"}, "linux", "/h/.local/share/headend"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/x"}, "linux", "/x/headend"),
        ({"HOME": "/h", "XDG_DATA_HOME": "relative"}, "linux", "/h/.local/share/headend"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Application Support/headend"),
        ({"HOME": "/h", "STATE_DIRECTORY": "/var/lib/headend"}, "linux", "/var/lib/headend"),
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "linux", "/var/lib/a"),
    ],
)
def test_default_data_folder_is_the_platforms(
    environ: dict[str, str], platform: str, folder: str
) -> None:
    assert default_data_folder(environ, platform) == Path(folder)


def test_quoted_values_are_one_printable_line_and_cut_short() -> None:
    assert quoted("a\n\x1b[31m\u2028") == r'"a\n\u001b[31m\u2028"'
    assert quoted("x" * 100) == '"' + "x" * 79 + "…"
    assert quoted(Path("/x")) == '"/x"'


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0"), (1000, "1000"), (65536, "64 KiB"), (16_777_216, "16 MiB"), (2**31, "2 GiB")],
)
def test_sizes_are_shown_with_the_largest_unit_that_divides_them(size: int, text: str) -> None:
    assert size_text(size) == text
