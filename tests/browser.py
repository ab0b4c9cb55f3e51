"""A headless Chromium that tests can look at pages with, and move its mouse."""

import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason=f"needs a browser, one of {', '.join(BROWSERS)}"
)
# Nothing is asked of the network by the browser itself.
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SECONDS = 120


class Page:
    """One open page, driven over the DevTools protocol."""

    def __init__(self, reading, writing):
        self._reading, self._writing, self._session = reading, writing, None
        self.errors: list[str] = []  # what pages wrote to the console as errors, or threw
        self._ids = itertools.count(1)

    def call(self, method: str, **parameters) -> dict:
        """The result of one command; messages are JSON, each ended by a zero byte."""
        wanted = next(self._ids)
        message = {"id": wanted, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._writing.write(json.dumps(message).encode() + b"\0")
        self._writing.flush()
        while True:
            answer = bytearray()
            while (byte := self._reading.read(1)) != b"\0":
                assert byte, "the browser has gone"
                answer += byte
            answer = json.loads(answer)
            if answer.get("id") == wanted:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer.get("method"), answer.get("params", {}))

    def _note(self, event: str | None, about: dict) -> None:
        """Keep an event that tells of an error."""
        if event == "Runtime.exceptionThrown":
            self.errors.append(about["exceptionDetails"]["text"])
        elif event == "Runtime.consoleAPICalled" and about["type"] in ("error", "assert"):
            self.errors.append(" ".join(str(one.get("value")) for one in about["args"]))
        elif event == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.errors.append(about["entry"]["text"])

    def open(self, address: str) -> None:
        """Show a page and wait until it is loaded."""
        if self._session is None:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attached["sessionId"]
            for domain in ("Runtime", "Log", "Page"):
                self.call(f"{domain}.enable")
        self.errors.clear()
        self.call("Page.navigate", url=address)
        end = time.monotonic() + SECONDS
        loaded = f"location.href === {json.dumps(address)} && document.readyState === 'complete'"
        while not self.evaluate(loaded):
            assert time.monotonic() < end, f"{address} did not load"
            time.sleep(0.05)

    def evaluate(self, expression: str):
        """The value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def resize(self, width: int, height: int = 1200) -> None:
        """Give the page a window of this size in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at `start`, move it to `end` in steps, and let go; window coordinates."""
        held = {"button": "left", "buttons": 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], **held)
        for step in range(1, 6):
            x, y = (a + (b - a) * step / 5 for a, b in zip(start, end, strict=True))
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, **held)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1],
                  button="left", clickCount=1)  # fmt: skip


@contextmanager
def opened(path: Path, folder: Path) -> Iterator[Page]:
    """The page at `path` in a browser of its own, whose profile lives in `folder`."""
    (read_here, write_there), (read_there, write_here) = os.pipe(), os.pipe()
    # The browser reads commands from descriptor 3 and answers on 4.
    shell = f'exec "$@" 3<&{read_there} 4>&{write_there}'
    command = [BROWSER, *OPTIONS, "--remote-debugging-pipe", f"--user-data-dir={folder}"]
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", *command, "--window-size=1000,1200"],
        pass_fds=(read_there, write_there),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_there)
    os.close(write_there)
    try:
        with os.fdopen(read_here, "rb") as reading, os.fdopen(write_here, "wb") as writing:
            page = Page(reading, writing)
            page.open(path.as_uri())
            yield page
    finally:
        process.terminate()
        process.wait(SECONDS)
