"""This module tests headend.access.jwks."""

from pathlib import Path

import pytest
from aiohttp import web
from tests.live import run
from tests.receiver import receiver

from headend.access.jwks import DOCUMENT_BYTES, KeysUnavailable, read_document
from headend.access.places import Rules


def read(place: str, rules: Rules | None = None) -> str:
    texts: list[str] = []

    async def main() -> None:
        texts.append(await read_document(place, rules or Rules()))

    run(main())
    return texts[0]


def test_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text('{"keys": []}')
    assert read(str(file)) == '{"keys": []}'


def test_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeysUnavailable, match=r"auth\.jwks: .*: No such file"):
        read(str(tmp_path / "nothing"))
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(KeysUnavailable, match="it is no text"):
        read(str(tmp_path / "binary"))
    (tmp_path / "large").write_bytes(bytes(DOCUMENT_BYTES + 1))
    with pytest.raises(KeysUnavailable, match="larger than 262144 bytes"):
        read(str(tmp_path / "large"))


def test_url_is_fetched_where_calls_may_go() -> None:
    async def main() -> None:
        async with receiver() as there:
            there.answer = lambda _: web.Response(text='{"keys": []}')
            assert await read_document(there.url, Rules()) == '{"keys": []}'
            url = f"http://localhost:{there.port}/"
            assert await read_document(url, Rules.of(["localhost"])) == '{"keys": []}'
            for place in (there.url, url):
                with pytest.raises(KeysUnavailable, match=r"is not allowed; name it in auth\.out"):
                    await read_document(place, Rules.of(["keys.example"]))
            assert len(there.received) == 2

    run(main())


def test_redirect_and_error_are_no_keys() -> None:
    async def main() -> None:
        async with receiver() as there:
            for status in (302, 500):
                headers = {"Location": there.url}
                answer = web.Response(status=status, headers=headers)
                there.answer = lambda _, answer=answer: answer
                with pytest.raises(KeysUnavailable, match=f"127.0.0.1 answers {status}"):
                    await read_document(there.url, Rules())
            there.answer = lambda _: web.Response(body=bytes(DOCUMENT_BYTES + 1))
            with pytest.raises(KeysUnavailable, match="larger than"):
                await read_document(there.url, Rules())

    run(main())


@pytest.mark.parametrize("url", ["http://keys.example/", "ftp://localhost/", "gopher://x/"])
def test_only_https_is_safe(url: str) -> None:
    with pytest.raises(KeysUnavailable, match="only https is safe"):
        read(url)


def test_metadata_of_a_cloud_is_not_fetched() -> None:
    with pytest.raises(KeysUnavailable, match=r"169\.254\.169\.254 is not allowed"):
        read("https://169.254.169.254/latest/")
