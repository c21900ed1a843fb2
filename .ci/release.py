"""Checks and builds what is published, into `dist/`: `make release`, or with ARGS=--dry-run.

A dry run takes uncommitted changes, addresses that nobody has, and signs nothing. A quick one asks no
registry: it does not compare the lock file, and tries the wheel with the packages that are here.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
DIST = Path(os.environ.get("HEADEND_DIST", ROOT / "dist"))
BIN = Path(sys.executable).parent
LIBRARIES = ("hls.mjs", "mpegts.js", "hls.js.LICENSE.txt", "mpegts.js.LICENSE.txt")


class CannotReleaseError(Exception):
    """What is wrong, in one line for a person."""


def main() -> int:
    """Run all checks in turn; the first that fails ends it, with exit code 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="take uncommitted changes, sign nothing")
    parser.add_argument("--quick", action="store_true", help="ask no registry")
    options = parser.parse_args()
    is_dry = options.dry_run
    try:
        version = check_version(is_dry)
        if not is_dry:
            check_addresses()
        if not options.quick:
            say("comparing the lock file")
            call(".ci/lock", str(BIN / "uv"), "--check")
        say("building twice")
        wheel, sdist = build(version)
        check_contents(wheel, sdist)
        write_sbom(version)
        say("playing the demo of the wheel")
        check_wheel(wheel, options.quick)
        write_sums(is_dry)
    except CannotReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    say(f"dist/ has Headend {version}")
    return 0


def check_version(is_dry: bool) -> str:
    """Return the version; the changelog has a section for it, and nothing is uncommitted."""
    source = (ROOT / "src/headend/__init__.py").read_text("utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', source, re.MULTILINE)
    if found is None:
        raise CannotReleaseError("src/headend/__init__.py has no __version__")
    version = found[1]
    if is_dry:
        return version
    if not re.search(rf"^## \[?{re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M):
        raise CannotReleaseError(f"CHANGELOG.md has no section for {version}")
    if changed := call("git", "status", "--porcelain"):
        raise CannotReleaseError(f"commit or undo first: {changed.splitlines()[0].strip()}")
    return version


def check_addresses() -> None:
    """See to it that the package names pages that are there."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    for name, url in urls.items():
        if ".example" in url:
            raise CannotReleaseError(f"pyproject.toml: project.urls.{name} is {url}, which nobody has")


def build(version: str) -> tuple[Path, Path]:
    """Build wheel and sdist twice; both times the same bytes."""
    made = []
    time = call("git", "log", "-1", "--format=%ct")
    with tempfile.TemporaryDirectory() as folder:
        for number in ("1", "2"):
            out = Path(folder, number)
            environ = {**os.environ, "SOURCE_DATE_EPOCH": time}
            call(str(BIN / "hatchling"), "build", "-d", str(out), environ=environ)
            made.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
        one, other = made
        if one != other:
            differing = [name for name in one if one[name] != other.get(name)]
            raise CannotReleaseError(f"two builds differ: {', '.join(differing)}")
        shutil.rmtree(DIST, ignore_errors=True)
        DIST.mkdir()
        for name, content in one.items():
            (DIST / name).write_bytes(content)
    wheel, sdist = DIST / f"headend-{version}-py3-none-any.whl", DIST / f"headend-{version}.tar.gz"
    for path in (wheel, sdist):
        if not path.exists():
            raise CannotReleaseError(f"{path.name} was not built, but {', '.join(one)}")
    return wheel, sdist


def check_contents(wheel: Path, sdist: Path) -> None:
    """See to it that both hold the browser libraries and their licences, and no stray file."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    with tarfile.open(sdist) as tar:
        sources = tar.getnames()
    for name in LIBRARIES:
        path = f"headend/web/libraries/{name}"
        if path not in names:
            raise CannotReleaseError(f"the wheel lacks {path}: is npm installed?")
        if not any(each.endswith(f"src/{path}") for each in sources):
            raise CannotReleaseError(f"the sdist lacks {path}")
    if stray := [each for each in names if not re.match(r"headend(-[\w.]+\.dist-info)?/", each)]:
        raise CannotReleaseError(f"the wheel holds {stray[0]}")


def write_sbom(version: str) -> None:
    """Write what Headend is made of, in CycloneDX."""
    target = DIST / f"headend-{version}.cdx.json"
    call(
        str(BIN / "cyclonedx-py"), "requirements", "requirements.lock", "--pyproject",
        "pyproject.toml", "--output-reproducible", "--of", "JSON", "-o", str(target),
    )  # fmt: skip


def check_wheel(wheel: Path, is_quick: bool) -> None:
    """Install it as a newcomer would, run `headend demo` and play what it publishes."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        environ = {**os.environ, "HOME": folder}
        install = (str(BIN / "uv"), "pip", "install", "--quiet")
        if is_quick:
            python = sys.executable
            call(*install, "--no-deps", "--target", str(home / "wheel"), str(wheel))
            environ["PYTHONPATH"] = str(home / "wheel")
        else:
            python = str(home / "venv/bin/python")
            call(str(BIN / "uv"), "venv", "--quiet", "--python", sys.executable, str(home / "venv"))
            call(*install, "--python", python, "--require-hashes", "-r", "requirements.lock")
            call(*install, "--python", python, "--no-deps", str(wheel))
        ready = home / "ready.json"
        server = subprocess.Popen(
            [python, "-m", "headend", "demo", "--rtmp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--tls",
             "off", "--srt", "off", "--data", str(home / "data"), "--ready-file", str(ready)],
            stdout=subprocess.DEVNULL, cwd=home, env=environ,
        )  # fmt: skip
        try:
            answer = call(python, "-c", WATCH, str(ready), environ=environ, folder=home)
            if '"h264"' not in answer:
                raise CannotReleaseError(f"the wheel's demo shows no picture: {answer[:200]}")
        finally:
            server.terminate()
            server.wait(30)


WATCH = """
import json, pathlib, subprocess, sys, time
ready = pathlib.Path(sys.argv[1])
end = time.monotonic() + 60
while not ready.exists():
    assert time.monotonic() < end, "the server is not ready within 60 s"
    time.sleep(0.05)
(address,) = json.loads(ready.read_text())["rtmp"]
print(subprocess.run([sys.executable, "-m", "headend", "probe", f"rtmp://{address}/live/demo", "--json"],
                     check=True, capture_output=True, text=True, timeout=60).stdout)
"""


def write_sums(is_dry: bool) -> None:
    """Write the checksums, and sign them where a key is there."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(DIST.iterdir())
    ]
    sums = DIST / "SHA256SUMS"
    sums.write_text("".join(lines))
    key = os.environ.get("HEADEND_SIGNING_KEY")
    if is_dry or not key:
        say("nothing was signed" + ("" if is_dry else ": HEADEND_SIGNING_KEY names no key of ssh-keygen"))
        return
    call("ssh-keygen", "-Y", "sign", "-n", "headend", "-f", key, str(sums))


def call(*command: str, environ: dict[str, str] | None = None, folder: Path = ROOT) -> str:
    """Run a command, in the project's folder unless another is named; return what it printed."""
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no word why"]
        raise CannotReleaseError(f"{Path(command[0]).name}: {said[-1]}")
    return done.stdout.strip()


def say(text: str) -> None:
    print(f"release: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
