"""Playlists of media files: segments by number, and tracks to choose from.

    one picture, one sound   index.m3u8 has the segments        0_1/0.mp4 …
    more tracks              index.m3u8 has a playlist of each  0/index.m3u8, 1/index.m3u8 …

Source: RFC 8216, 4.3.
"""

from collections.abc import Sequence
from typing import Final

from headend.codec.file_index import FileIndex, IndexedTrack

VERSION: Final = 7
AUDIO_GROUP: Final = "sound"
TEXT_GROUP: Final = "texts"
PEAK: Final = 1.1  # MP4 around the media
LEAST_BANDWIDTH: Final = 1000  # bit/s


def together(index: FileIndex) -> Sequence[int] | None:
    """Return the tracks of a file that are played as one; None: there are some to choose from."""
    kinds = [track.kind for track in index.tracks]
    if "text" in kinds or kinds.count("audio") > 1:
        return None
    return [track.number for track in index.tracks]


def first_tracks(index: FileIndex) -> list[int]:
    """Return the first picture and the first sound of a file, for players without a choice."""
    kinds = {track.kind: track.number for track in reversed(index.tracks)}
    return sorted(kinds[kind] for kind in ("video", "audio") if kind in kinds)


def index_playlist(index: FileIndex, size: int, query: str) -> str:
    """Write the playlist of a file.

    Args:
        index: What is in the file.
        size: Its size, bytes.
        query: Carried into every URI, with its question mark.
    """
    whole = together(index)
    if whole is not None:
        return segments_playlist(index, f"{name_of(whole)}/", "mp4", query)
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lead, sounds, texts = index.lead, _of(index, "audio"), _of(index, "text")
    shown = [_text(track, query) for track in texts]
    attributes = [f"BANDWIDTH={_bandwidth(index, size)}"]
    codecs = [lead.codecs]
    if lead.kind == "video":
        shown = [_sound(track, track is sounds[0], query) for track in sounds] + shown
        codecs += [track.codecs for track in sounds]
        attributes.append(f"RESOLUTION={lead.width}x{lead.height}")
        if sounds:
            attributes.append(f'AUDIO="{AUDIO_GROUP}"')
        variants = [lead]
    else:
        variants = sounds
    if texts:
        attributes.append(f'SUBTITLES="{TEXT_GROUP}"')
    lines += shown
    for track in variants:
        names = codecs if lead.kind == "video" else [track.codecs]
        told = f'CODECS="{",".join(dict.fromkeys(filter(None, names)))}"'
        lines += [
            f"#EXT-X-STREAM-INF:{','.join([*attributes, told])}",
            f"{track.number}/index.m3u8{query}",
        ]
    return "\n".join([*lines, ""])


def segments_playlist(index: FileIndex, place: str, form: str, query: str) -> str:
    """Write the playlist of some tracks.

    Args:
        index: What is in the file.
        place: URI of the folder of their segments, with a slash at its end; or empty.
        form: `mp4`, or `vtt`.
        query: Carried into every URI, with its question mark.
    """
    ends = [*index.starts[1:], index.duration_s]
    lengths = [end - start for start, end in zip(index.starts, ends, strict=True)]
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{max(1, int(max(lengths) + 0.5))}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if form == "mp4":
        lines.append(f'#EXT-X-MAP:URI="{place}init.mp4{query}"')
    for number, length in enumerate(lengths):
        lines.append(f"#EXTINF:{length:.5f},\n{place}{number}.{form}{query}")
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def name_of(tracks: Sequence[int]) -> str:
    """Return how addresses name some tracks that are together, such as `0_1`."""
    return "_".join(map(str, tracks))


def _of(index: FileIndex, kind: str) -> list[IndexedTrack]:
    return [track for track in index.tracks if track.kind == kind]


def _sound(track: IndexedTrack, is_first: bool, query: str) -> str:
    default = "DEFAULT=YES,AUTOSELECT=YES" if is_first else "DEFAULT=NO,AUTOSELECT=YES"
    return _media("AUDIO", AUDIO_GROUP, track, default, query)


def _text(track: IndexedTrack, query: str) -> str:
    return _media("SUBTITLES", TEXT_GROUP, track, "DEFAULT=NO,AUTOSELECT=YES,FORCED=NO", query)


def _media(kind: str, group: str, track: IndexedTrack, options: str, query: str) -> str:
    name = track.title or track.language or f"{kind.lower()} {track.number}"
    language = f'LANGUAGE="{_quoted(track.language)}",' if track.language else ""
    return (
        f'#EXT-X-MEDIA:TYPE={kind},GROUP-ID="{group}",NAME="{_quoted(name)} ({track.number})",'
        f'{language}{options},URI="{track.number}/index.m3u8{query}"'
    )


def _quoted(text: str) -> str:
    """Return a text as it may stand between quotes: what a file says is not trusted."""
    return "".join(each if each.isprintable() and each != '"' else "_" for each in text)[:100]


def _bandwidth(index: FileIndex, size: int) -> int:
    """Return the most that the segments need, bit/s, by their places in the file."""
    average = size / max(index.duration_s, 0.1)
    spans = zip(index.places, index.places[1:], index.starts, index.starts[1:], strict=False)
    rates = [(after - at) / (end - begin) for at, after, begin, end in spans]
    return max(round(8 * PEAK * max([average, *rates])), LEAST_BANDWIDTH)
