"""A stream of true pictures in the loop of a test, packaged for HLS from its first frame on.

async with serve(tmp_path, *SHOWN) as web:
    await show(web)
    playlist = await web.ask("GET", "/live/a/index.m3u8")
"""

import re

from tests.harness import until
from tests.pictures import picture_tags
from tests.web import Web

from headend.hls.streams import HlsStreams
from headend.hub.publication import Publication

SHOWN = ("hls.segment_s=1", "hls.part_s=0.5")
FRAME_MS = 500  # from a frame to the next; each is a keyframe
FRAMES = 14
SEGMENTS = 5  # that these frames are enough for


class Encoder:
    """A publisher of the hub, whom no settings keep out."""

    peer = "test"

    def watched(self, *, is_watched: bool) -> None:
        """It sends anyway."""

    def replaced(self) -> None:
        """Nobody takes its name."""


async def show(web: Web, name: str = "a") -> Publication:
    """Publish `live/NAME` until there are segments of it."""
    services, path = web.live.services, f"live/{name}"
    tags = picture_tags(size=(64, 64))
    header = next(tag for tag in tags if tag.is_sequence_header)
    keyframe = next(tag for tag in tags if tag.is_keyframe)
    now = services.loop.time()
    publication = services.registry.publish(path, Encoder(), None, now)
    publication.push((header, keyframe), now)
    packaged = services.features[HlsStreams].begin(web.stream(path))
    for number in range(1, FRAMES):
        go_on(publication, number, now)
    await until(lambda: packaged.playlists.next_sequence >= SEGMENTS)
    return publication


def go_on(publication: Publication, number: int, now: float) -> None:
    """Publish another frame; `number` counts from the first one."""
    tags = picture_tags(size=(64, 64))
    keyframe = next(tag for tag in tags if tag.is_keyframe)
    publication.push((keyframe._replace(timestamp=FRAME_MS * number),), now)


def addresses(playlist: bytes) -> list[str]:
    """Return the addresses in a playlist, in their order."""
    found = re.finditer(r'URI="([^"]+)"|^([^#\s]\S*)$', playlist.decode(), re.MULTILINE)
    return [match[1] or match[2] for match in found]
