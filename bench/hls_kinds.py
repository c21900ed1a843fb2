"""Kinds of streams that players of HLS must play: what FFmpeg is told to make of them."""

from dataclasses import dataclass
from typing import Final, Literal

Break = Literal["", "reconnect", "size", "stop", "restart"]

SIZE: Final = "320x180"
OTHER_SIZE: Final = "256x144"
LIVE: Final = ("-re", "-f", "lavfi", "-i")
X264: Final = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-b:v", "300k")
X264_B: Final = ("-c:v", "libx264", "-preset", "superfast", "-b:v", "300k", "-rc-lookahead", "5")
X265: Final = ("-c:v", "libx265", "-preset", "ultrafast", "-b:v", "300k", "-x265-params")
VP9: Final = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
AAC: Final = ("-c:a", "aac", "-b:a", "64k")
MPEGTS: Final = ("hls.container=mpegts",)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of stream.

    Attributes:
        name: In a word or two.
        options: Of FFmpeg, for all between its inputs and `-f flv`.
        rate: Pictures a second, as FFmpeg writes it; empty: there is no picture.
        sound: Samples a second; 0: there is no sound.
        settings: Of the server.
        interrupted: What happens to it again and again.
        is_foreign: Chromium does not decode it, so FFmpeg plays it.
    """

    name: str
    options: tuple[str, ...]
    rate: str = "25"
    sound: int = 44100
    settings: tuple[str, ...] = ()
    interrupted: Break = ""
    is_foreign: bool = False

    def command(self, ffmpeg: str, url: str, size: str = SIZE) -> list[str]:
        """Write the command line that publishes it to a URL."""
        command = [ffmpeg, "-v", "error", "-nostdin"]
        if self.rate:
            command += [*LIVE, f"testsrc=size={size}:rate={self.rate}"]
        if self.sound:
            command += [*LIVE, f"sine=frequency=440:sample_rate={self.sound}"]
        return [*command, "-pix_fmt", "yuv420p", *self.options, "-f", "flv", url]


def _gop(frames: int) -> tuple[str, ...]:
    return ("-g", str(frames), "-keyint_min", str(frames), "-sc_threshold", "0")


_STEADY: Final = (*X264, *_gop(50), *AAC)
_RANDOM: Final = ("-vf", "select='gt(random(0),0.4)+not(mod(n,50))'", "-fps_mode", "vfr")
_UNEVEN: Final = "expr:gte(t,if(isnan(prev_forced_t),0,prev_forced_t+0.7+1.6*mod(n_forced,3)))"
_X265_GOP: Final = "log-level=error:keyint=50:min-keyint=50:scenecut=0:open-gop=0"
# Two keyframes that come as the playlist promises, and one that comes 2 s late.
_LATE: Final = "expr:gte(t,if(isnan(prev_forced_t),0,prev_forced_t+2+2*not(mod(n_forced,3))))"

KINDS: Final = (
    Kind("steady", _STEADY),
    Kind("variable rate", (*X264, *_gop(30), *AAC, *_RANDOM)),
    Kind("uneven GOPs", (*X264, "-g", "1000", "-force_key_frames", _UNEVEN, *AAC)),
    Kind("late keyframes", (*X264, "-g", "1000", "-force_key_frames", _LATE, *AAC)),
    Kind("GOP 0.4 s", (*X264, *_gop(10), *AAC)),
    Kind("GOP 8 s", (*X264, *_gop(200), *AAC)),
    Kind("sound alone", AAC, rate=""),
    Kind("sound alone, Opus", ("-c:a", "libopus"), rate="", sound=48000),
    Kind("picture alone", (*X264, *_gop(50)), sound=0),
    Kind("picture alone, 29.97", (*X264, *_gop(60)), "30000/1001", 0),
    Kind("picture alone, 1 fps", (*X264, *_gop(2)), "1", 0),
    Kind("1 fps", (*X264, *_gop(2), *AAC), "1"),
    Kind("2 fps", (*X264, *_gop(4), *AAC), "2"),
    Kind("5 fps", (*X264, *_gop(10), *AAC), "5"),
    Kind("10 fps", (*X264, *_gop(20), *AAC), "10"),
    Kind("29.97 fps", (*X264, *_gop(60), *AAC), "30000/1001", 48000),
    Kind("60 fps", (*X264, *_gop(120), *AAC), "60", 48000),
    Kind("B frames", (*X264_B, "-bf", "3", "-b_strategy", "0", *_gop(50), *AAC)),
    Kind("B frames, 23.976", (*X264_B, "-bf", "2", *_gop(48), *AAC), "24000/1001", 48000),
    Kind("AV1", ("-c:v", "libsvtav1", "-preset", "12", *_gop(50), *AAC)),
    Kind("HEVC", (*X265, _X265_GOP + ":bframes=0", *AAC), is_foreign=True),
    Kind("HEVC, B frames", (*X265, _X265_GOP + ":bframes=3", *AAC), is_foreign=True),
    Kind("HEVC, MPEG-TS", (*X265, _X265_GOP, *AAC), settings=MPEGTS, is_foreign=True),
    Kind("VP9", (*VP9, "-g", "50", *AAC)),
    Kind("Opus", (*X264, *_gop(50), "-c:a", "libopus"), sound=48000),
    Kind("FLAC", (*X264, *_gop(50), "-c:a", "flac", "-sample_fmt", "s16"), sound=48000),
    Kind("MPEG-TS", _STEADY, settings=MPEGTS),
    Kind(
        "MPEG-TS, late keyframes",
        (*X264, "-g", "1000", "-force_key_frames", _LATE, *AAC),
        settings=MPEGTS,
    ),
    Kind("MPEG-TS, B frames", (*X264_B, "-bf", "3", *_gop(50), *AAC), settings=MPEGTS),
    Kind("MPEG-TS, MP3", (*X264, *_gop(50), "-c:a", "libmp3lame"), settings=MPEGTS),
    Kind("MPEG-TS, sound alone", AAC, rate="", settings=MPEGTS),
    Kind("reconnect", _STEADY, interrupted="reconnect"),
    Kind("other size", _STEADY, interrupted="size"),
    Kind("stop and start", _STEADY, interrupted="stop"),
    Kind("restart of the server", _STEADY, interrupted="restart"),
)
