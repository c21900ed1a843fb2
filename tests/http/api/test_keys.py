"""Tests of headend.http.api.keys."""

import re
import unicodedata
from pathlib import Path

import pytest
from tests.harness import command
from tests.web import serve_stored

from headend.http.api.keys import KeyRequest, TokenRequest


async def test_key_is_made_used_rotated_and_revoked(tmp_path: Path) -> None:
    async with serve_stored(tmp_path, "auth.publish=key") as web:
        body = {"stream": "live/a", "label": "Ann", "networks": ["127.0.0.0/8"]}
        answer = await web.api("POST", "/keys", json=body)
        assert answer.status == 201
        made = answer.json
        assert (made["stream"], made["networks"]) == ("live/a", ["127.0.0.0/8"])
        port = web.live.server.addresses["rtmp"][0].rpartition(":")[2]
        assert made["servers"] == [f"rtmp://127.0.0.1:{port}/live"]
        publisher = await web.live.publisher(made["key"])
        turned = (await web.api("POST", f"/keys/{made['id']}/rotate")).json
        assert turned["key"] != made["key"]
        await publisher.expect("NetStream.Publish.Denied")
        assert publisher.reasons[-1] == "the publish key was revoked"
        second = await web.live.publisher(turned["key"])
        gone = await web.api("DELETE", f"/keys/{turned['id']}")
        assert gone.json["revoked_at"] is not None
        await second.expect("NetStream.Publish.Denied")
        for path in ("/keys", f"/keys/{made['id']}"):
            shown = (await web.get(path)).body.decode()
            assert made["id"] in shown
            assert "hk_" not in shown
        assert (await web.get("/keys")).json["total"] == 2


async def test_keys_come_in_pages(tmp_path: Path) -> None:
    async with serve_stored(tmp_path) as web:
        for name in ("a", "b", "a"):
            await web.api("POST", "/keys", json={"stream": f"live/{name}"})
        first = (await web.get("/keys?limit=2")).json
        assert (len(first["keys"]), first["total"]) == (2, 3)
        rest = (await web.get(f"/keys?limit=2&after={first['next']}")).json
        assert (len(rest["keys"]), rest["next"]) == (1, None)
        of_one = (await web.get("/keys?stream=live/b")).json
        assert [key["stream"] for key in of_one["keys"]] == ["live/b"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"stream": "live//a"}, "stream: a segment of the stream's path is empty."),
        ({"stream": "live/a", "expires_at": 1.0}, "expires_at: that is over already."),
        ({"stream": "live/a", "label": "a\nb"}, "label: at most 200 printable characters."),
        ({"stream": "live/a", "networks": ["here"]}, "networks"),
        ({}, "stream: Field required."),
    ],
)
async def test_wrong_request_for_a_key_is_refused(tmp_path: Path, body: object, says: str) -> None:
    async with serve_stored(tmp_path) as web:
        answer = await web.api("POST", "/keys", json=body)
        assert answer.status == 422
        assert says in answer.detail


async def test_key_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    async with serve_stored(tmp_path) as web:
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
            assert (await web.api(method, f"/keys/pk_none{path}")).status == 404


DECLARED = f'auth.publish_keys=[{{ stream = "live/a", key = "hk_{"a" * 32}" }}]'
USER = 'auth.users=[{ name = "a1", stream = "live/b", password = "12345678" }]'


async def test_declared_keys_are_listed_among_the_others_and_changed_in_the_settings_alone(
    tmp_path: Path,
) -> None:
    async with serve_stored(tmp_path, DECLARED, USER) as web:
        made = (await web.api("POST", "/keys", json={"stream": "live/a"})).json
        listed = (await web.get("/keys")).json
        assert listed["total"] == 3
        ids = [key["id"] for key in listed["keys"]]
        assert ids == sorted(ids)
        own = {key["id"] for key in listed["keys"] if key["source"] == "settings"}
        assert own == {*ids} - {made["id"]}
        first = (await web.get("/keys?limit=1")).json
        rest = (await web.get(f"/keys?after={first['next']}")).json
        assert [first["keys"][0]["id"], *(key["id"] for key in rest["keys"])] == ids
        assert [key["id"] for key in (await web.get("/keys?stream=live/b")).json["keys"]] == ["a1"]
        for id in own:
            assert (await web.get(f"/keys/{id}")).json["id"] == id
            for method, path in (("DELETE", ""), ("POST", "/rotate")):
                answer = await web.api(method, f"/keys/{id}{path}")
                assert answer.status == 409
                assert "auth.publish_keys" in answer.detail


async def test_token_is_signed(tmp_path: Path) -> None:
    async with serve_stored(tmp_path, "auth.private=live/vip") as web:
        body = {"pattern": "live/*", "expires_s": 60, "ip": "127.0.0.1", "max_viewers": 2}
        answer = await web.api("POST", "/tokens", json=body)
        assert answer.status == 201
        await web.live.player(f"vip?token={answer.json['token']}")
        refused = await web.live.connected()
        await refused.send(command("play", 3, None, "vip", on=1))
        await refused.expect("NetStream.Play.Failed")


@pytest.mark.parametrize(
    ("ip", "status"),
    [("10.0.0.1/8", 201), ("2001:db8::7", 201), (False, 422), (7, 422), ("10.0.0.300", 422)],
)
async def test_network_of_a_token_is_a_text_and_nothing_else(
    ip: object, status: int, tmp_path: Path
) -> None:
    async with serve_stored(tmp_path) as web:
        body = {"pattern": "vip/*", "ip": ip}
        assert (await web.api("POST", "/tokens", json=body)).status == status


async def test_token_that_would_be_refused_is_not_signed(tmp_path: Path) -> None:
    async with serve_stored(tmp_path) as web:
        for body in ({"pattern": "vip/\x1b"}, {"pattern": "vip/*", "subject": "a\nb"}):
            answer = await web.api("POST", "/tokens", json=body)
            assert answer.status == 422
            assert b"cannot be printed" in answer.body


def test_document_says_of_which_characters_texts_of_keys_and_tokens_are() -> None:
    for model, name in (
        (KeyRequest, "label"),
        (TokenRequest, "pattern"),
        (TokenRequest, "subject"),
    ):
        written = model.model_json_schema()["properties"][name]
        assert written["description"].startswith("Printable"), name
        for number in range(0x250):
            char = chr(number)
            is_control = unicodedata.category(char) == "Cc"
            assert bool(re.search(written["pattern"], f"a{char}b")) == (not is_control), char
