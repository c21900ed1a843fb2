"""Tests of headend.testing.clip."""

from itertools import islice

from headend.media.tag import AUDIO, VIDEO
from headend.testing import Recording, make_clip


def test_clip_is_what_was_asked_for_and_decodes() -> None:
    clip = make_clip(1.0, width=130, height=98, frame_rate=20, gop=5)
    recording = Recording(clip.tags)
    recording.assert_starts_with_keyframe().assert_no_gap(60).assert_decodes()
    recording.assert_tracks("avc1", "mp4a.40.2", width=130, height=98)
    assert recording.keyframe_intervals == [250, 250, 250]
    assert (len(recording.media(VIDEO)), clip.duration_ms) == (20, 1000)
    assert clip.tags[0].timestamp == 0


def test_clip_is_made_once() -> None:
    assert make_clip(0.4) is make_clip(0.4)


def test_clip_may_have_no_sound_and_pictures_out_of_order() -> None:
    recording = Recording(make_clip(1.0, has_audio=False, has_b_frames=True).tags)
    assert recording.media(AUDIO) == []
    shifts = {int.from_bytes(tag.body[2:5], "big") for tag in recording.media(VIDEO)}
    assert len(shifts) > 1  # composition times
    recording.assert_decodes()


def test_repeated_clip_goes_on_without_a_gap_and_configures_decoders_once() -> None:
    clip = make_clip(0.4)
    tags = list(islice(clip.repeated(), 3 * len(clip.tags)))
    assert sum(tag.is_sequence_header for tag in tags) == 2
    Recording(tags).assert_no_gap(60).assert_decodes()
