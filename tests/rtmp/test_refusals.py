"""Tests of headend.rtmp.refusals, and of who knows RTMP's codes."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

import headend
from headend.errors import Refusal, Rejected
from headend.rtmp.refusals import code_of, is_code, told_code

SOURCE = Path(headend.__file__).parent
# What speaks RTMP: the protocol, the client, which reads a server's codes.
RTMP = ("rtmp", "client")


@pytest.mark.parametrize(
    ("refusal", "action", "code"),
    [
        (Refusal.DENIED, "publish", "NetStream.Publish.Denied"),
        (Refusal.DENIED, "play", "NetStream.Play.Failed"),
        (Refusal.NAME_TAKEN, "publish", "NetStream.Publish.BadName"),
        (Refusal.FULL, "publish", "NetStream.Publish.BadName"),
        (Refusal.NOT_FOUND, "play", "NetStream.Play.StreamNotFound"),
        (Refusal.STOPPING, "publish", "NetStream.Publish.Failed"),
        (Refusal.STOPPING, "play", "NetStream.Play.Failed"),
        (Refusal.LOOP, "publish", "NetStream.Publish.Denied"),
    ],
)
def test_each_kind_of_refusal_has_a_code(
    refusal: Refusal, action: Literal["publish", "play"], code: str
) -> None:
    assert code_of(refusal, action) == code
    assert told_code(Rejected(refusal, "no"), action) == code


@pytest.mark.parametrize("refusal", Refusal)
def test_every_code_has_the_form_that_programs_may_use(refusal: Refusal) -> None:
    assert is_code(code_of(refusal, "publish"))
    assert is_code(code_of(refusal, "play"))


def test_code_of_a_program_is_told_instead() -> None:
    rejected = Rejected(Refusal.DENIED, "paid", code="NetStream.Play.InsufficientBW")
    assert told_code(rejected, "play") == "NetStream.Play.InsufficientBW"


@pytest.mark.parametrize(
    "text", ["", "Denied", "NetStream.Publish.", "NetStream.Play.a b", "NetConnection.Call.Failed"]
)
def test_what_is_no_code_of_a_stream_is_told_from_one(text: str) -> None:
    assert not is_code(text)


def texts(tree: ast.AST) -> Iterator[str]:
    """Give the strings of a module that are no docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield "" if id(node) in docstrings else node.value


def test_only_what_speaks_rtmp_knows_its_codes() -> None:
    knowing = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] not in RTMP
        and any(
            "NetStream." in text or "NetConnection." in text
            for text in texts(ast.parse(path.read_text()))
        )
    ]
    assert knowing == []
