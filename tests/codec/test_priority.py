"""The priority of a thread, which an encoder may raise and does not give back."""

import io
import os

import av
import pytest

from headend.codec.priority import kept_priority


def encode_av1() -> None:
    with av.open(io.BytesIO(), "w", format="mp4") as container:
        options = {"preset": "12", "svtav1-params": "lp=1"}
        stream = container.add_stream("libsvtav1", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        frame = av.VideoFrame(320, 240, "yuv420p")
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_encoder_leaves_the_thread_as_it_was() -> None:
    before = os.sched_getscheduler(0)
    with kept_priority():
        encode_av1()
    assert os.sched_getscheduler(0) == before == os.SCHED_OTHER


def test_priority_that_was_raised_is_given_back_after_a_failure() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may raise it")

    def fail() -> None:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), kept_priority():
        fail()
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_system_without_schedulers_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getscheduler")
    with kept_priority():
        pass
