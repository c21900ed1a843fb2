"""Tests of headend.hls.playlist by whole playlists."""

from dataclasses import replace

from headend.hls.playlist import (
    MediaPlaylist,
    Part,
    Rendition,
    Segment,
    media_playlist,
    multivariant_playlist,
)

PARTS = (Part("e-8.0.m4s", 1.0, True), Part("e-8.1.m4s", 1.0, False))


def segment(number: int, *, map: str = "e-init-0.mp4", is_discontinuous: bool = False) -> Segment:
    parts = tuple(Part(f"e-{number}.{index}.m4s", 1.0, index == 0) for index in (0, 1))
    return Segment(f"e-{number}.m4s", 2.0, 1000.5 + 2 * number, map, is_discontinuous, parts)


def playlist(
    segments: list[Segment], current: Segment | None = None, **changes: object
) -> MediaPlaylist:
    values: dict[str, object] = {
        "target": 2,
        "part_target": 1.0,
        "sequence": 7,
        "discontinuities": 1,
        "segments": segments,
        "current": current,
        "hint": "e-9.0.m4s",
        "is_over": False,
    }
    return MediaPlaylist(**(values | changes))  # type: ignore[arg-type]


def test_multivariant_playlist() -> None:
    codecs = ["avc1.64001f", "mp4a.40.2"]
    video = Rendition("main.m3u8", 2_000_000, 1_500_000, codecs, 1280, 720, 29.97)
    assert multivariant_playlist([video], "?token=a") == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:9\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=2000000,AVERAGE-BANDWIDTH=1500000,"
        'CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970\n'
        "main.m3u8?token=a\n"
    )
    wide = multivariant_playlist([replace(video, video_range="PQ")])
    assert ",FRAME-RATE=29.970,VIDEO-RANGE=PQ\nmain.m3u8" in wide
    audio = multivariant_playlist([Rendition("sound.m3u8", 64_000, 64_000, ["mp4a.40.2"])])
    assert 'BANDWIDTH=64000,CODECS="mp4a.40.2"\nsound.m3u8' in audio


def test_multivariant_playlist_names_every_rendition_in_order() -> None:
    low = Rendition("low.m3u8", 500_000, 400_000, ["avc1.64001f"], 640, 360)
    high = Rendition("high.m3u8", 2_000_000, 1_500_000, ["avc1.64001f"], 1280, 720)
    lines = multivariant_playlist([high, low], "?t=a").splitlines()
    assert lines[3::2] == ["high.m3u8?t=a", "low.m3u8?t=a"]
    assert ["RESOLUTION=1280x720" in lines[2], "RESOLUTION=640x360" in lines[4]] == [True, True]


def test_low_latency_playlist() -> None:
    current = Segment("e-9.m4s", 1.0, 1018.5, "e-init-1.mp4", True, (Part("e-9.0.m4s", 1.0, True),))
    text = media_playlist(playlist([segment(7), segment(8)], current, hint="e-9.1.m4s"))
    assert text == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:9\n"
        "#EXT-X-TARGETDURATION:2\n"
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.000,HOLD-BACK=6,"
        "CAN-SKIP-UNTIL=12\n"
        "#EXT-X-PART-INF:PART-TARGET=1.000\n"
        "#EXT-X-MEDIA-SEQUENCE:7\n"
        "#EXT-X-DISCONTINUITY-SEQUENCE:1\n"
        '#EXT-X-MAP:URI="e-init-0.mp4"\n'
        "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:16:54.500Z\n"
        '#EXT-X-PART:DURATION=1.00000,URI="e-7.0.m4s",INDEPENDENT=YES\n'
        '#EXT-X-PART:DURATION=1.00000,URI="e-7.1.m4s"\n'
        "#EXTINF:2.00000,\n"
        "e-7.m4s\n"
        "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:16:56.500Z\n"
        '#EXT-X-PART:DURATION=1.00000,URI="e-8.0.m4s",INDEPENDENT=YES\n'
        '#EXT-X-PART:DURATION=1.00000,URI="e-8.1.m4s"\n'
        "#EXTINF:2.00000,\n"
        "e-8.m4s\n"
        "#EXT-X-DISCONTINUITY\n"
        '#EXT-X-MAP:URI="e-init-1.mp4"\n'
        "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:16:58.500Z\n"
        '#EXT-X-PART:DURATION=1.00000,URI="e-9.0.m4s",INDEPENDENT=YES\n'
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="e-9.1.m4s"\n'
    )


def test_parts_are_listed_near_the_edge_only() -> None:
    text = media_playlist(playlist([segment(number) for number in range(6)]))
    assert "e-2.0" not in text
    assert "e-3.0" in text


def test_delta_update_leaves_out_what_is_old() -> None:
    segments = [segment(number) for number in range(10)]
    text = media_playlist(playlist(segments), skip=True, query="?t=1")
    assert "#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n" in text
    assert "e-3.m4s" not in text
    assert "e-4.m4s?t=1\n" in text
    assert "EXT-X-MAP" not in text  # the client knows it
    assert '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="e-9.0.m4s?t=1"\n' in text
    full = media_playlist(playlist(segments[:3]), skip=True)
    assert "SKIP:" not in full
    assert '#EXT-X-MAP:URI="e-init-0.mp4"\n' in full


def test_delta_update_counts_the_segment_that_grows() -> None:
    current = Segment("e-9.m4s", 1.5, 1018.5, "e-init-0.mp4", False, PARTS[:1])
    text = media_playlist(playlist([segment(number) for number in range(10)], current), skip=True)
    assert "SKIPPED-SEGMENTS=4" in text


def test_playlist_of_a_stream_that_is_over() -> None:
    text = media_playlist(playlist([segment(7)], hint=None, is_over=True), skip=True)
    assert text.endswith("e-7.m4s\n#EXT-X-ENDLIST\n")
    assert "EXT-X-PART:" not in text


def test_plain_playlists_have_the_lowest_version_that_does() -> None:
    plain = playlist([segment(7)], part_target=0.0, hint=None)
    text = media_playlist(plain, skip=True)
    assert "#EXT-X-VERSION:6\n" in text
    assert "SERVER-CONTROL" not in text
    mpegts = playlist([segment(7, map="")], part_target=0.0, hint=None)
    assert "#EXT-X-VERSION:3\n" in media_playlist(mpegts)
    assert "EXT-X-MAP" not in media_playlist(mpegts)


def test_players_stay_a_picture_further_back_where_pictures_last_longer_than_parts() -> None:
    text = media_playlist(playlist([segment(7)], part_target=0.2, picture_s=1.0))
    assert "PART-HOLD-BACK=1.600,HOLD-BACK=6," in text
