"""Tests of headend.access.jwks."""

import json
import ssl
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from joserfc.jwk import OctKey, OKPKey, RSAKey
from tests.harness import run
from tests.outside import FORMS, inner_server, stand_outside
from tests.receiver import receiver

from headend.access.jwks import DOCUMENT_BYTES, KeysUnavailable, load_keys, read_document
from headend.errors import SettingsError
from headend.net.places import Rules


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


async def test_url_is_fetched_where_calls_may_go() -> None:
    async with receiver() as there:
        there.answer = lambda _: web.Response(text='{"keys": []}')
        assert await read_document(there.url, Rules()) == '{"keys": []}'
        url = f"http://localhost:{there.port}/"
        assert await read_document(url, Rules.of(["localhost"])) == '{"keys": []}'
        for place in (there.url, url):
            with pytest.raises(KeysUnavailable, match=r"is not allowed; name it in auth\.out"):
                await read_document(place, Rules.of(["keys.example"]))
        assert len(there.received) == 2


async def test_https_is_verified_by_the_authorities_of_the_setting(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca)

    async with receiver(context) as there:
        there.answer = lambda _: web.Response(text="{}")
        assert await read_document(there.url, Rules(), ca) == "{}"
        with pytest.raises(KeysUnavailable, match=r"127\.0\.0\.1: .*certificate"):
            await read_document(there.url, Rules())
        with pytest.raises(KeysUnavailable, match="no PEM certificate can be read"):
            await read_document(there.url, Rules(), tmp_path / "nowhere.pem")


async def test_redirect_and_error_are_no_keys() -> None:
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


@pytest.mark.parametrize("url", ["http://keys.example/", "ftp://localhost/", "gopher://x/"])
def test_only_https_is_safe(url: str) -> None:
    with pytest.raises(KeysUnavailable, match="must be an https URL"):
        read(url)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "\uff11\uff16\uff19.254.169.254",
        "169\u3002254.169.254",
        "[::ffff:a9fe:a9fe]",
    ],
)
def test_metadata_of_a_cloud_is_not_fetched_however_it_is_written(host: str) -> None:
    with pytest.raises(KeysUnavailable, match=r"(169\.254\.169\.254|a9fe:a9fe) is not allowed"):
        read(f"https://{host}/latest/")


@pytest.mark.parametrize("host", FORMS)
async def test_keys_are_not_fetched_elsewhere_however_it_is_written(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_outside(monkeypatch)

    async with inner_server() as inner:
        with pytest.raises(KeysUnavailable):
            await read_document(f"https://{host}:{inner.port}/", Rules.of(["keys.example"]))
        assert inner.visits == 0


@pytest.mark.parametrize("url", ["https://[::1", "https://\u2100.example/"])
def test_what_is_no_url_is_told(url: str) -> None:
    with pytest.raises(KeysUnavailable, match=r"auth\.jwks: it is no URL"):
        read(url)


EC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",  # RFC 7515, appendix A.3
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}


def secret(size: int, kid: str) -> dict[str, object]:
    return {"kty": "oct", "k": urlsafe_b64encode(bytes(size)).decode().rstrip("="), "kid": kid}


def loaded(*keys: object) -> tuple[list[str | None], tuple[str, ...]]:
    found = load_keys(json.dumps({"keys": keys}))
    return [key.kid for key in found.keys], found.left_out


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"keys": 7}', "null", "[" * 100_000])
def test_what_is_no_jwks_is_refused(document: str) -> None:
    with pytest.raises(SettingsError, match="no JWKS"):
        load_keys(document)


@pytest.mark.parametrize("keys", [[], [EC], [{}], [7], [{"kty": "RSA"}], [secret(31, "short")]])
def test_jwks_without_a_useful_key_is_refused(keys: list[object]) -> None:
    with pytest.raises(SettingsError, match="no key for HS256"):
        loaded(*keys)


def test_secrets_below_256_bits_are_left_out_and_named() -> None:
    kids, left_out = loaded(secret(31, "short"), secret(32, "enough"), secret(1, "x"))
    assert kids == ["enough"]
    assert left_out[0] == (
        "key 'short' is not used: it has 248 bits, at least 256 are needed (RFC 7518)"
    )
    assert len(left_out) == 2


def test_rsa_keys_below_2048_bits_are_left_out_and_named() -> None:
    weak = RSA_1024 | {"kid": "weak"}
    strong = RSAKey.generate_key(2048).as_dict(private=False) | {"kid": "strong"}
    kids, left_out = loaded(weak, strong)
    assert kids == ["strong"]
    assert left_out == (
        "key 'weak' is not used: it has 1024 bits, at least 2048 are needed (RFC 7518)",
    )


# Of a public key that nobody has the other half of.
RSA_1024 = {
    "kty": "RSA",
    "e": "AQAB",
    "n": urlsafe_b64encode(b"\xc1" + bytes(126) + b"\x01").decode(),
}
RSA_1024["n"] = RSA_1024["n"].rstrip("=")


@pytest.mark.parametrize(
    "odd",
    [
        "text",
        None,
        {"kty": []},
        {"kty": "AKP", "alg": "ML-DSA-44"},
        EC,
        {"kty": "oct", "k": ""},
        {"kty": "oct", "k": 7},
        {"kty": "oct"},
        {"kty": "RSA", "n": "", "e": ""},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25518", "x": "AA"},
        {"kty": "OKP", "crv": [], "x": "AA"},
        OKPKey.generate_key("X25519").as_dict(private=False),
    ],
)
def test_key_that_checks_no_token_does_not_keep_the_others_from_it(odd: object) -> None:
    kids, left_out = loaded(odd, secret(32, "good"))
    assert kids == ["good"]
    assert len(left_out) == 1


def test_keys_without_an_id_are_named_by_their_place() -> None:
    good = OctKey.generate_key(256).as_dict(private=True)
    _, left_out = loaded(good, {"kty": "oct", "k": "AA"})
    assert left_out[0].startswith("key 2 is not used")
