"""What holds for one stream: sections, lists of patterns, rules, the last the strongest."""

from headend.settings import RuleBook, load_settings
from headend.settings.stream_rules import KNOWN


def book(*overrides: str) -> RuleBook:
    return RuleBook(load_settings(None, overrides, {}).settings)


def test_without_rules_the_sections_hold() -> None:
    rules = book("live.wait_s=7", "limits.viewers_per_stream=3").of("live/a")
    assert (rules.live.wait_s, rules.limits.viewers_per_stream) == (7, 3)
    assert not rules.is_private
    assert not rules.is_tls_only
    assert rules.fallback == ()
    assert rules.auth.publish == "loopback"


def test_later_rule_wins_over_an_earlier_one_key_by_key() -> None:
    made = book(
        "hls.segment_s=3",
        'stream=[{ match = "vip/*", hls.segment_s = 4, hls.segments = 5 },'
        '{ match = "vip/a", hls.segment_s = 6, auth.publish = "open" }]',
    )
    assert (made.of("vip/a").hls.segment_s, made.of("vip/a").hls.segments) == (6, 5)
    assert (made.of("vip/b").hls.segment_s, made.of("vip/b").auth.publish) == (4, "loopback")
    assert made.of("live/a").hls.segment_s == 3


def test_lists_of_patterns_are_short_forms_that_a_rule_may_take_back() -> None:
    made = book(
        "auth.private=vip/*",
        "rtmp.tls_only=vip/*",
        'live.fallback=[{ match = "vip/*", sources = ["slate"] }]',
        'stream=[{ match = "vip/open", auth.private = false, rtmp.tls_only = false, '
        "live.fallback = [] }]",
    )
    vip, opened = made.of("vip/a"), made.of("vip/open")
    assert (vip.is_private, vip.is_tls_only, [str(s) for s in vip.fallback]) == (
        True,
        True,
        ["slate"],
    )
    assert (opened.is_private, opened.is_tls_only, opened.fallback) == (False, False, ())


def test_each_value_is_told_with_what_says_so() -> None:
    loaded = load_settings(
        None,
        ["auth.private=vip/*", 'stream=[{ match = ["x/*", "vip/*"], live.wait_s = 5 }]'],
        {"HEADEND_HLS__PART_S": "0"},
    )
    said = RuleBook(loaded.settings).explain("vip/a")
    sources = {key: each.source(key, loaded.sources) for key, each in said.items()}
    assert sources["live.wait_s"] == "flag --set, rule 1, match vip/*"
    assert sources["auth.private"] == "flag --set, match vip/*"
    assert sources["hls.part_s"] == "environment HEADEND_HLS__PART_S"
    assert sources["hls.segments"] == "default"


def test_names_that_are_remembered_are_bounded() -> None:
    made = book()
    for number in range(KNOWN + 10):
        made.of(f"live/{number}")
    assert made.of.cache_info().currsize == KNOWN


def test_streams_are_recorded_by_list_and_by_rule() -> None:
    made = book(
        'record.match=["live/*"]',
        'stream=[{ match = "live/no", record.enabled = false },'
        '{ match = "vip/*", record.enabled = true, record.part_s = 2 }]',
    )
    recorded = [made.of(path).is_recorded for path in ("live/a", "live/no", "vip/a", "other/a")]
    assert recorded == [True, False, True, False]
    assert [made.of(path).record.part_s for path in ("live/a", "vip/a")] == [1, 2]
    assert made.uses("record.enabled")
    assert not book().uses("record.enabled")
