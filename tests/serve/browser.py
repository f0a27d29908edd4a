"""A real browser, spoken to in the W3C WebDriver protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1100,1200",
]
PATIENCE_S = 60


def missing() -> str:
    """Which program a browser test lacks here; empty when it can run."""
    lacking = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"{' and '.join(lacking)} not installed" if lacking else ""


class Browser:
    def __init__(self, driver: str, session: str) -> None:
        self._session = f"{driver}/session/{session}"

    def open(self, url: str) -> None:
        self._ask("url", url=url)

    def script(self, code: str, *arguments: Any) -> Any:
        """What a function body returns, run in the page."""
        return self._ask("execute/sync", script=code, args=list(arguments))

    def choose_file(self, css: str, path: Path) -> None:
        found = self._ask("element", using="css selector", value=css)
        self._ask(f"element/{found[ELEMENT]}/value", text=str(path))

    def wait_for(self, condition: str) -> None:
        """Until a JavaScript expression is true."""
        end = time.monotonic() + PATIENCE_S
        while not self.script(f"return Boolean({condition})"):
            text = self.script("return document.body.innerText")
            assert time.monotonic() < end, f"waited for {condition}; the page says {text}"
            time.sleep(0.1)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(_json(f"{self._session}/screenshot")))

    def complaints(self) -> list[str]:
        """What the page wrote to its console as an error."""
        return [entry["message"] for entry in self._ask("se/log", type="browser") if entry["level"] == "SEVERE"]

    def _ask(self, what: str, **arguments: Any) -> Any:
        return _json(f"{self._session}/{what}", arguments)


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A headless Chromium with a profile of its own."""
    driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        assert driver.stdout is not None
        line = next(line for line in driver.stdout if "started successfully on port" in line)
        address = f"http://127.0.0.1:{line.rstrip().rstrip('.').rsplit(' ', 1)[1]}"
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = _json(f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        try:
            yield Browser(address, session)
        finally:
            urllib.request.urlopen(urllib.request.Request(f"{address}/session/{session}", method="DELETE"))
    finally:
        driver.terminate()
        driver.wait()


def _json(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=PATIENCE_S) as response:
        return json.load(response)["value"]
