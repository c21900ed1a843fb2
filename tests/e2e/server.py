"""A real server as a process of its own, on free ports."""

import json
import os
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from tests.e2e.process import Process
from tests.e2e.wait import LIMIT_S, wait_for
from tests.no_secrets import WATCH, is_meant

SOURCE: Final = Path(__file__).parents[2] / "src"


class Server:
    """A server that runs from `Server(…)` to `stop()`.

    Attributes:
        data: Its data folder.
        rtmp: Its RTMP addresses, HOST:PORT.
        tls: Its RTMPS addresses, HOST:PORT.
        http: Its HTTP addresses, HOST:PORT.
        srt: Its SRT addresses, HOST:PORT.
        process: The process.
    """

    def __init__(
        self,
        folder: Path,
        *settings: str,
        program: str = "serve",
        arguments: tuple[str, ...] = (),
        is_ready: bool = True,
        module: str = "headend",
        workers: int = 1,
    ) -> None:
        """Start a server with a log of level debug.

        Args:
            folder: Empty; takes its data folder, its ready file and its log.
            settings: Texts `section.key=value`.
            program: Command that runs the server.
            arguments: Further flags; addresses among them replace the free ports.
            is_ready: Wait until it listens.
            module: Of Python, which is run as the program.
            workers: How many processes serve together.
        """
        if workers > 1:
            settings = (*settings, f"workers={workers}")
        self.data = folder / "data"
        ready_file = folder / "ready.json"
        words = command(folder, program, *settings, arguments=arguments, module=module)
        self.process = Process(words, folder / "log", environ())
        self.rtmp: list[str] = []
        self.tls: list[str] = []
        self.http: list[str] = []
        self.srt: list[str] = []
        if is_ready:
            try:
                wait_for(lambda: ready_file.exists() or not self.process.is_running, "ready file")
            except AssertionError:
                self.process.kill()
                raise
            assert ready_file.exists(), self.process.output()
            ready = json.loads(ready_file.read_text())
            assert ready["pid"] == self.process.pid
            self.rtmp, self.tls, self.http = ready["rtmp"], ready["tls"], ready["http"]
            self.srt = ready["srt"]

    def look_for_secrets(self) -> None:
        """Have all that it wrote looked through for secrets, its own among them."""
        for name in ("admin.token", "server.secret"):
            path = self.data / name
            if path.is_file():
                WATCH.remember(path.read_text().strip())
        WATCH.look("log of a server", self.process.output())
        for path in self.data.glob("headend.db*"):
            WATCH.look_at_file("database", path)

    def url(self, path: str) -> str:
        """Return the RTMP URL of a stream such as `live/a`."""
        return f"rtmp://{self.rtmp[0]}/{path}"

    def log(self) -> list[str]:
        """Return the lines logged so far."""
        return self.process.output().splitlines()

    def wait_log(self, text: str, count: int = 1) -> str:
        """Wait until `count` lines hold a text; return the last of them."""

        def look() -> str:
            found = [line for line in self.log() if text in line]
            return found[count - 1] if len(found) >= count else ""

        return wait_for(look, f"{count} × {text!r} in the log")

    def get(self, path: str, token: str | None = None) -> tuple[int, str]:
        """Ask over HTTP; return status and body."""
        request = urllib.request.Request(f"http://{self.http[0]}{path}")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
                status, body = int(answer.status), answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            with error:
                status, body = error.code, error.read().decode()
        if not is_meant("GET", path):
            WATCH.look(f"GET {path.partition('?')[0]}", body)
        return status, body

    @property
    def token(self) -> str:
        """The admin token."""
        return (self.data / "admin.token").read_text().strip()

    def sign(self, pattern: str, expires_s: float) -> str:
        """Have a playback token signed."""
        request = urllib.request.Request(
            f"http://{self.http[0]}/api/v1/tokens",
            json.dumps({"pattern": pattern, "expires_s": expires_s}).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return str(json.load(answer)["token"])

    def relays(self) -> list[dict[str, Any]]:
        """Ask for the relays."""
        status, body = self.get("/api/v1/relays", self.token)
        assert status == 200
        return list(json.loads(body)["relays"])

    def streams(self) -> dict[str, dict[str, Any]]:
        """Ask for the streams; return them by path."""
        status, body = self.get("/api/v1/streams", self.token)
        assert status == 200
        return {stream["path"]: stream for stream in json.loads(body)["streams"]}

    def stream(self, path: str) -> dict[str, Any]:
        """Return one stream; empty if there is none of this name."""
        return self.streams().get(path, {})

    def wait_stream(self, path: str, limit_s: float = LIMIT_S, **values: object) -> dict[str, Any]:
        """Wait until a stream is there and has these values, such as `viewers=2`."""

        def look() -> dict[str, Any]:
            stream = self.stream(path)
            return stream if stream and values.items() <= stream.items() else {}

        return wait_for(look, f"{path} with {values}", limit_s)

    def wait_media(self, path: str, size: int = 1) -> dict[str, Any]:
        """Wait until a stream is there and has brought this many bytes of media."""

        def look() -> dict[str, Any]:
            stream = self.stream(path)
            return stream if stream.get("bytes_in", 0) >= size else {}

        return wait_for(look, f"{path} with {size} bytes")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it; return its exit code."""
        if self.process.is_running:
            self.process.send(number)
        return self.process.wait()


def command(
    folder: Path,
    program: str,
    *settings: str,
    arguments: tuple[str, ...] = (),
    module: str = "headend",
) -> list[str]:
    """Write the command line of a server whose files lie in `folder`."""
    given = {argument for argument in arguments if argument.startswith("-")}
    flags = {
        "--rtmp": "127.0.0.1:0",
        "--tls": "off",
        "--http": "127.0.0.1:0",
        "--srt": "off",
        "--data": str(folder / "data"),
        "--ready-file": str(folder / "ready.json"),
        "--log-level": "debug",
    }
    if "-c" in given:
        del flags["--log-level"]  # the file's own
    pairs = [(flag, value) for flag, value in flags.items() if flag not in given]
    pairs += [("--set", setting) for setting in settings]
    return [
        *(sys.executable, "-m", module, program),
        *(part for pair in pairs for part in pair),
        *arguments,
    ]


def environ() -> dict[str, str]:
    """Return an environment without settings, in which headend is the one of this checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADEND_")}
    return kept | {"PYTHONPATH": f"{SOURCE}:{SOURCE.parent}"}
