"""Tests of headend.settings.tls."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from headend.settings.tls import CertificatePair, DirectoryUrl, Domains, Email, Tls


class Values(BaseModel):
    domains: Domains = ()
    email: Email = ""
    directory: DirectoryUrl = "https://a.example/"


@pytest.mark.parametrize(
    ("value", "domains"),
    [
        ([], ()),
        ("", ()),
        ("a.example, b.example", ("a.example", "b.example")),
        (["A.Example.", "a.example"], ("a.example",)),
        (["bücher.example"], ("xn--bcher-kva.example",)),
        (["localhost"], ("localhost",)),
        ([f"{n}.example" for n in range(100)], tuple(f"{n}.example" for n in range(100))),
    ],
)
def test_domains_are_names_in_ascii_each_once(value: object, domains: tuple[str, ...]) -> None:
    values = Values.model_validate({"domains": value})
    assert values.domains == domains
    assert values.model_dump(mode="json")["domains"] == list(domains)


@pytest.mark.parametrize(
    "value",
    [
        5,
        [5],
        [""],
        ["."],
        ["a..b"],
        ["a b.example"],
        ["-a.example"],
        ["a-.example"],
        ["a_b.example"],
        ["x" * 64 + ".example"],
        [".".join(["x" * 60] * 5)],
        ["192.0.2.1"],
        ["::1"],
        ["a.example:443"],
        ["a.example/"],
        ["../a"],
    ],
)
def test_what_is_no_domain_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="must be a list of DNS names such as"):
        Values.model_validate({"domains": value})


def test_wildcard_is_refused_with_the_reason() -> None:
    with pytest.raises(ValidationError, match="must hold no wildcard"):
        Values.model_validate({"domains": ["*.a.example"]})


def test_certificate_for_more_than_100_names_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be at most 100 names"):
        Values.model_validate({"domains": [f"{n}.example" for n in range(101)]})


@pytest.mark.parametrize("value", [5, "me", "me@", "a@b@c", "a b@c", "a@b,c@d", "a@b\n"])
def test_what_is_no_email_address_is_refused(value: object) -> None:
    assert Values.model_validate({"email": "me@a.example"}).email == "me@a.example"
    with pytest.raises(ValidationError, match="must be an e-mail address, or empty"):
        Values.model_validate({"email": value})


@pytest.mark.parametrize(
    "value",
    [5, "", "a.example", "http://a.example/dir", "https://", "https://a.example:x/", "https://[/",
     "https://a.example:0/", "https://a.example/a b", "https://a.example/\x7f"],
)  # fmt: skip
def test_what_is_no_https_url_is_refused(value: object) -> None:
    url = "https://127.0.0.1:14000/dir"
    assert Values.model_validate({"directory": url}).directory == url
    with pytest.raises(ValidationError, match="must be the https:// URL of an ACME directory"):
        Values.model_validate({"directory": value})


@pytest.mark.parametrize(
    "value",
    [
        [{"cert": "c.pem", "key": "/k.pem"}],
        [CertificatePair(cert=Path("c.pem"), key=Path("/k.pem"))],
        '[{"cert": "c.pem", "key": "/k.pem"}]',
        '[{ cert = "c.pem", key = "/k.pem" }]',
    ],
)
def test_certificates_are_tables_or_a_text_of_json_or_toml(value: object) -> None:
    values = Tls.model_validate({"certificates": value})
    assert values.certificates == (CertificatePair(cert=Path("c.pem"), key=Path("/k.pem")),)
    dumped = values.model_dump(mode="json")["certificates"]
    assert dumped == [{"cert": "c.pem", "key": "/k.pem"}]


@pytest.mark.parametrize("value", [[], "", "[]"])
def test_certificates_may_be_none_at_all(value: object) -> None:
    assert Tls.model_validate({"certificates": value}).certificates == ()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (5, r'such as \[{ cert = "chain.pem", key = "key.pem" }\]'),
        ("chain.pem", r'such as \[{ cert = "chain.pem", key = "key.pem" }\]'),
        ("{}", r'such as \[{ cert = "chain.pem", key = "key.pem" }\]'),
        (["chain.pem"], "entry 1: it must be a table with the fields cert, key"),
        ([{"cert": "a"}], r'entry 1 \("a"\): key is missing'),
        ([{"cert": "a", "key": ""}], "key must be the path of a file"),
        ([{"cert": "a", "key": "b", "ca": "c"}], 'unknown field "ca"; known are cert, key'),
    ],
)
def test_wrong_certificates_are_refused_in_words(value: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Tls.model_validate({"certificates": value})
