"""Tests of headend.pytest_plugin as another project would use it."""

import subprocess
import sys

import pytest

pytest_plugins = "pytester"


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project whose pytest finds the plugin by its entry point alone."""
    pytester.makeini("[pytest]\naddopts = --strict-markers\n")
    return pytester


def test_fixtures_serve_tests_with_and_without_a_loop_and_checks_say_what_is_wrong(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        """
        import asyncio
        from headend.client import play

        def test_plain(headend_server, rtmp_publisher, rtmp_player):
            publisher = rtmp_publisher("live/a")
            rtmp_player("live/a").wait_media(300).assert_starts_with_keyframe()
            assert headend_server.wait_stream("live/a", viewers=1)
            publisher.stop()

        def test_async(headend_server, rtmp_publisher):
            rtmp_publisher("live/a")

            async def main():
                async with play(headend_server.url("live/a")) as stream:
                    return await anext(stream)

            assert asyncio.run(main())

        def test_wrong(rtmp_publisher, rtmp_player):
            rtmp_publisher("live/a")
            rtmp_player("live/a").wait_media(1000).assert_keyframe_interval(100)

        def test_clip(rtmp_clip, rtmp_publisher):
            assert rtmp_publisher("live/a", repeats=False, is_paced=False).wait_end() is None
        """
    )
    outcome = project.runpytest_subprocess("-q")
    outcome.assert_outcomes(passed=3, failed=1)
    outcome.stdout.fnmatch_lines(["*AssertionError: 400 ms from one keyframe to the next, over 1*"])


def test_settings_come_from_a_fixture_and_from_markers(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.fixture
        def headend_settings():
            return {"live.wait_s": 1, "limits": {"idle_s": 2}}

        @pytest.mark.headend(live={"wait_s": 3}, http={"listen": "off"})
        def test_marker(headend_server):
            assert headend_server.settings.live.wait_s == 3
            assert headend_server.settings.limits.idle_s == 2
            assert not headend_server.addresses["http"]

        def test_fixture(headend_server, headend_server_factory):
            assert headend_server.settings.live.wait_s == 1
            other = headend_server_factory(live={"wait_s": 5})
            assert other.settings.live.wait_s == 5
            assert other.url("live/a") != headend_server.url("live/a")
        """
    )
    project.runpytest_subprocess("-q").assert_outcomes(passed=2)


def test_project_that_does_not_use_it_pays_for_one_small_module() -> None:
    code = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import headend.pytest_plugin\n"
        "print(sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['headend', 'headend.pytest_plugin']"
