"""Tests of where clients may go instead."""

from headend.cluster.other_nodes import HEARD_S, OtherNodes
from headend.directory.table import NameTable, TableDirectory
from headend.directory.values import Member


class Node:
    """A member of a table, and what it knows of the others."""

    def __init__(self, table: NameTable, name: str, public: str) -> None:
        self.now = 100.0
        self.directory = TableDirectory(table, Member(name, f"boot-{name}", public=public))
        self.places = OtherNodes(self.directory, lambda: self.now)


def three() -> list[Node]:
    table = NameTable()
    return [
        Node(table, "a", "rtmp://a:1935 http://a:8080"),
        Node(table, "b", "rtmp://b:1935 rtmps://b http://b:8080"),
        Node(table, "c", "rtmp://c:1935"),
    ]


def test_clients_are_spread_over_all_others_that_speak_their_protocol() -> None:
    places = three()[0].places
    assert {places.place("rtmp") for _ in range(4)} == {"rtmp://b:1935", "rtmp://c:1935"}
    assert {places.place("rtmps") for _ in range(4)} == {"rtmps://b"}
    assert places.place("http") == "http://b:8080"
    assert places.place("https") == ""


def test_no_client_is_sent_to_a_server_that_drains_until_it_is_unheard_for_a_while() -> None:
    one, two, other = three()
    two.places.tell()
    assert {one.places.place("rtmp") for _ in range(3)} == {"rtmp://c:1935"}
    other.places.tell()
    assert one.places.place("rtmp") == ""
    one.now += HEARD_S + 1
    assert {one.places.place("rtmp") for _ in range(3)} == {"rtmp://b:1935", "rtmp://c:1935"}


def test_server_that_is_gone_gets_no_clients() -> None:
    one, two, other = three()
    two.places.tell()
    for each in (two, other):
        one.directory._table.leave(each.directory.me)
    assert one.places.place("rtmp") == ""


def test_other_messages_say_nothing_about_drains() -> None:
    one, two, _ = three()
    two.directory.tell(None, "another", {})
    two.places.owner_changed("live/a")
    assert {one.places.place("rtmp") for _ in range(3)} == {"rtmp://b:1935", "rtmp://c:1935"}
