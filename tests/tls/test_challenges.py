"""Tests of what an authority is answered when it comes to check a name."""

from datetime import timedelta

import pytest
from cryptography import x509
from tests.tls_peers import NOW, client_context, shake_hands

from headend.tls.challenges import Challenges, validation_certificate
from headend.tls.client_hello import ClientHello

AUTHORITY = ClientHello("a.example", (b"acme-tls/1",))
# Its SHA-256 is as sha256sum(1) says.
KEY_AUTHORIZATION = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.thumbprint"
DIGEST = "b0354f5ab5b14fb4d6d8804cd0b2fa6f5af4e71dc60fb458df240aa7f9571c57"


def test_certificate_holds_the_name_and_the_digest_of_rfc_8737() -> None:
    pem = validation_certificate("a.example", KEY_AUTHORIZATION, NOW)
    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == ["a.example"]
    oid = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")  # id-pe-acmeIdentifier
    identifier = certificate.extensions.get_extension_for_oid(oid)
    assert identifier.critical
    assert isinstance(identifier.value, x509.UnrecognizedExtension)
    assert identifier.value.value.hex() == "0420" + DIGEST
    certificate.verify_directly_issued_by(certificate)
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc
    assert certificate.not_valid_after_utc - NOW <= timedelta(days=7)


def test_authority_is_shown_the_certificate_of_its_name() -> None:
    challenges = Challenges()
    challenges.add_tls("a.example", KEY_AUTHORIZATION)
    context = challenges.context(AUTHORITY)
    assert context is not None
    client = client_context()
    client.set_alpn_protocols(["acme-tls/1"])
    ends = shake_hands(context, client, "a.example")
    assert ends.client.selected_alpn_protocol() == "acme-tls/1"
    assert ends.names() == {"a.example"}


@pytest.mark.parametrize(
    "hello",
    [
        ClientHello("a.example", ()),
        ClientHello("a.example", (b"http/1.1",)),
        ClientHello("a.example", (b"acme-tls/1", b"http/1.1")),
        ClientHello("b.example", (b"acme-tls/1",)),
        ClientHello(None, (b"acme-tls/1",)),
    ],
)
def test_all_others_are_served_as_ever(hello: ClientHello) -> None:
    challenges = Challenges()
    challenges.add_tls("a.example", KEY_AUTHORIZATION)
    assert challenges.context(hello) is None


def test_token_is_answered_until_the_challenges_are_cleared() -> None:
    challenges = Challenges()
    challenges.add_tls("a.example", KEY_AUTHORIZATION)
    challenges.add_http("token", KEY_AUTHORIZATION)
    assert challenges.answer("token") == KEY_AUTHORIZATION
    assert challenges.answer("other") is None
    challenges.clear()
    assert challenges.answer("token") is None
    assert challenges.context(AUTHORITY) is None
