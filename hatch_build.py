"""This module has the build bring the browser libraries, so that a wheel holds them."""

import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LibrariesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs `.ci/libraries` before anything is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Bring them; a build without npm goes on, and the server says what it lacks."""
        script = Path(self.root, ".ci", "libraries")
        try:
            done = subprocess.run([script], check=False).returncode == 0
        except OSError:
            done = False
        if not done:
            self.app.display_warning("built without hls.js and mpegts.js: see docs/player.md")
