"""Facts of a stream or a file: codecs, sizes, rates, time to the first picture."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from headend.client.opening import HTTP_SCHEMES
from headend.client.player import Player, play
from headend.client.timeouts import Timeouts
from headend.codec.packets import Packets
from headend.errors import MediaError
from headend.media.tag import AUDIO, VIDEO, Tag, TagKind
from headend.media.track_config import TrackConfig
from headend.net.tls_client import TlsOptions
from headend.rtmp.url import DEFAULT_PORTS

_DIRECT: Final = frozenset({*DEFAULT_PORTS, "srt"})
PATIENCE: Final = 3  # durations that a stream is waited for which has not begun


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What is known of the pictures.

    Attributes:
        codec: Such as `h264`.
        codecs: As RFC 6381 writes it; None: not known.
        width: Pixels.
        height: Pixels.
        frame_rate: Pictures a second, as measured; as declared where nothing was.
        declared_frame_rate: As the bit stream says; None: it does not.
        bit_rate: bit/s, as measured.
        keyframe_interval: Seconds, on average; None: fewer than two keyframes came.
        longest_keyframe_interval: Seconds; None: fewer than two keyframes came.
        has_b_frames: Pictures are not shown in the order in which they come.
        profile: Such as `High`; None: not known.
        level: Such as `3.1`; None: not known.
        frames: Pictures seen.
    """

    codec: str
    codecs: str | None
    width: int
    height: int
    frame_rate: float | None
    declared_frame_rate: float | None
    bit_rate: int | None
    keyframe_interval: float | None
    longest_keyframe_interval: float | None
    has_b_frames: bool
    profile: str | None
    level: str | None
    frames: int


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What is known of the sound; as for the pictures.

    Attributes:
        sample_rate: Hz.
        channels: How many.
    """

    codec: str
    codecs: str | None
    sample_rate: int
    channels: int
    bit_rate: int | None
    profile: str | None
    frames: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What a probe has found.

    Attributes:
        protocol: `rtmp`, `rtmps`, `srt`, `http-flv`, `https-flv`, `ws-flv`, `wss-flv`, `hls` or
            `file`.
        video: None: there are no pictures.
        audio: None: there is no sound.
        bit_rate: Of all, bit/s.
        duration: Of what was looked at, seconds.
        time_to_connect: Until the stream was granted, seconds; None for a file.
        time_to_first_picture: Until the first keyframe was there, or the first sound where there
            are no pictures.
        faults: What was wrong with the stream, a line each.
    """

    protocol: str
    video: VideoFacts | None
    audio: AudioFacts | None
    bit_rate: int | None
    duration: float
    time_to_connect: float | None
    time_to_first_picture: float | None
    faults: tuple[str, ...]

    def document(self) -> dict[str, object]:
        """Return the same as values of JSON."""
        return asdict(self)


async def probe(
    source: str,
    *,
    duration_s: float = 5.0,
    tls: TlsOptions | None = None,
    timeouts: Timeouts | None = None,
) -> Facts:
    """Look at a stream for some seconds, or at a file.

    Args:
        source: What `play` takes, or a path.
        duration_s: How long a live stream is looked at.
        tls: Whom to trust.
        timeouts: How long each step may take.

    Raises:
        MediaError: The file cannot be read, or there is no media in it.
        HeadendError: As `play` does.
    """
    scheme = source.strip().partition("://")[0].lower() if "://" in source else ""
    if scheme not in HTTP_SCHEMES and scheme not in _DIRECT:
        from headend.client.probing_files import probe_file

        return await asyncio.to_thread(probe_file, Path(source))
    return await _probe_stream(source, _protocol(source, scheme), duration_s, tls, timeouts)


async def _probe_stream(
    url: str, protocol: str, duration_s: float, tls: TlsOptions | None, timeouts: Timeouts | None
) -> Facts:
    if protocol not in _DIRECT:
        from headend.client import hls, http_flv  # noqa: F401  # loading them takes no time of it
    loop = asyncio.get_running_loop()
    began = loop.time()
    measure = Measure()
    async with play(url, tls=tls, timeouts=timeouts) as stream:
        connected = loop.time() - began
        with suppress(TimeoutError):
            async with asyncio.timeout(duration_s * PATIENCE) as limit:
                await _watch(stream, measure, limit, duration_s)
    if not measure.has_media:
        raise MediaError("no media came")
    first = measure.first_at
    return measure.facts(
        protocol, time_to_connect=connected, time_to_first=None if first is None else first - began
    )


async def _watch(
    stream: Player, measure: "Measure", limit: asyncio.Timeout, duration_s: float
) -> None:
    """Measure until the stream or the time is over."""
    loop = asyncio.get_running_loop()
    async for tag in stream:
        had_media = measure.has_media
        measure.add(tag, loop.time())
        if measure.has_media and not had_media:
            limit.reschedule(loop.time() + duration_s)


class Measure:
    """Counts the tags of a stream.

    Attributes:
        has_media: Something came that can be seen or heard.
        first_at: When the first keyframe came, or the first sound before any picture.
    """

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._packets = Packets("pyav", self._faults.append)
        self._tracks: dict[TagKind, TrackCount] = {}
        self._configs: dict[TagKind, TrackConfig] = {}  # as of the newest packet
        self._first_sound_at: float | None = None
        self._first_picture_at: float | None = None

    @property
    def has_media(self) -> bool:
        return any(track.frames for track in self._tracks.values())

    @property
    def first_at(self) -> float | None:
        if VIDEO in self._tracks:
            return self._first_picture_at
        return self._first_sound_at

    @property
    def duration_s(self) -> float:
        """Seconds of the stream seen so far."""
        return span_of(self._tracks.values()) / 1000

    def add(self, tag: Tag, now: float) -> None:
        """Take a tag into account.

        Args:
            tag: The next one.
            now: When it came, seconds.
        """
        packet = self._packets.packet(tag)
        if packet is None:
            return
        track = self._tracks.setdefault(packet.kind, TrackCount(packet.dts))
        self._configs[packet.kind] = self._packets.tracks[packet.kind].config
        is_keyframe = packet.is_keyframe
        track.add(packet.dts, packet.pts, len(packet.payload), is_keyframe=is_keyframe)
        if packet.kind is AUDIO:
            self._first_sound_at = now if self._first_sound_at is None else self._first_sound_at
        elif is_keyframe and self._first_picture_at is None:
            self._first_picture_at = now

    def facts(
        self, protocol: str, *, time_to_connect: float | None, time_to_first: float | None
    ) -> Facts:
        """Return what was found."""
        video: VideoFacts | None = None
        audio: AudioFacts | None = None
        if (track := self._tracks.get(VIDEO)) is not None:
            config = self._configs[VIDEO]
            size, profile = (config.width, config.height), (config.profile, config.level)
            codecs = config.codecs or None
            video = track.video(str(config.codec), codecs, size, config.frame_rate, profile)
        if (track := self._tracks.get(AUDIO)) is not None:
            config = self._configs[AUDIO]
            audio = track.audio(
                str(config.codec),
                config.codecs or None,
                config.sample_rate,
                config.channels,
                config.profile,
            )
        times = time_to_connect, time_to_first
        return total(protocol, self._tracks.values(), video, audio, times, self._faults)


class TrackCount:
    """What is counted of one track; times in ms.

    Attributes:
        first: Of the first frame.
        last: Of the newest one.
        frames: How many came.
        size: Bytes of all of them.
    """

    def __init__(self, first: int) -> None:
        self.first = self.last = first
        self.frames = self.size = self._last_size = 0
        self._keyframes: list[int] = []
        self._has_b_frames = False

    def add(self, dts: int, pts: int, size: int, *, is_keyframe: bool) -> None:
        """Count a frame."""
        self.last = max(self.last, dts)
        self.frames += 1
        self.size += size
        self._last_size = size
        self._has_b_frames = self._has_b_frames or pts != dts
        if is_keyframe:
            self._keyframes.append(dts)

    def _bit_rate(self) -> int | None:
        span = self.last - self.first
        return round(8000 * (self.size - self._last_size) / span) if span else None

    def video(
        self,
        codec: str,
        codecs: str | None,
        size: tuple[int, int],
        declared_rate: float | None,
        profile: tuple[str | None, str | None],
    ) -> VideoFacts:
        """Return what is known of pictures; `profile` comes with the level."""
        span = self.last - self.first
        rate = 1000 * (self.frames - 1) / span if span else declared_rate
        steps = [later - key for key, later in pairwise(self._keyframes)]
        return VideoFacts(
            codec,
            codecs,
            *size,
            _rounded(rate, 2),
            _rounded(declared_rate),
            self._bit_rate(),
            round(sum(steps) / len(steps) / 1000, 3) if steps else None,
            max(steps) / 1000 if steps else None,
            self._has_b_frames,
            *profile,
            self.frames,
        )

    def audio(
        self, codec: str, codecs: str | None, sample_rate: int, channels: int, profile: str | None
    ) -> AudioFacts:
        """Return what is known of sound."""
        rate = self._bit_rate()
        return AudioFacts(codec, codecs, sample_rate, channels, rate, profile, self.frames)


def total(
    protocol: str,
    tracks: Collection[TrackCount],
    video: VideoFacts | None,
    audio: AudioFacts | None,
    times: tuple[float | None, float | None] = (None, None),
    faults: Sequence[str] = (),
) -> Facts:
    """Put together what is known; `times` are those to connect and to the first picture."""
    span_ms = span_of(tracks)
    size = sum(track.size for track in tracks)
    return Facts(
        protocol,
        video,
        audio,
        round(8000 * size / span_ms) if span_ms else None,
        span_ms / 1000,
        _rounded(times[0]),
        _rounded(times[1]),
        tuple(faults),
    )


def span_of(tracks: Collection[TrackCount]) -> int:
    """Return how long all tracks together are, in ms."""
    if not tracks:
        return 0
    return max(track.last for track in tracks) - min(track.first for track in tracks)


def _protocol(url: str, scheme: str) -> str:
    if scheme in _DIRECT:
        return scheme
    return "hls" if url.partition("?")[0].endswith(".m3u8") else f"{scheme}-flv"


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
