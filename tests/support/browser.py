"""A headless Chromium, driven by the WebDriver protocol of Debian's chromium-driver; no network is used."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

DRIVER = shutil.which("chromedriver")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ABSENT = None if DRIVER and BROWSER else "there is no Chromium with its driver (Debian: chromium, chromium-driver)"
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"Enter": "\ue007", "Tab": "\ue004", "ArrowRight": "\ue014", "Home": "\ue011"}


class Browser:
    """One tab."""

    def __init__(self, address: str) -> None:
        self._address = address

    def call(self, method: str, path: str, **told: Any) -> Any:
        request = Request(self._address + path, method=method, headers={"Content-Type": "application/json"})
        with urlopen(request, json.dumps(told).encode() if method == "POST" else None, timeout=120) as answer:
            return json.load(answer)["value"]

    def cdp(self, command: str, **told: Any) -> Any:
        return self.call("POST", "/goog/cdp/execute", cmd=command, params=told)

    def open(self, path: Path) -> None:
        self.call("POST", "/url", url=path.resolve().as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """Return what a script returns."""
        return self.call("POST", "/execute/sync", script=script, args=list(arguments))

    def wait(self, script: str, seconds: float = 60) -> Any:
        """Return what a script returns as soon as that is true."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < end, f"never: {script}; {self.log()}"
            time.sleep(0.05)
        return found

    def element(self, selector: str) -> str:
        found: str = self.call("POST", "/element", using="css selector", value=selector)[_ELEMENT]
        return found

    def click(self, selector: str) -> None:
        self.call("POST", f"/element/{self.element(selector)}/click")

    def type(self, selector: str, text: str) -> None:
        self.call("POST", f"/element/{self.element(selector)}/value", text=text)

    def log(self) -> list[str]:
        """Return what the browser has complained of since it was last asked."""
        return [f"{line['level']} {line['message']}" for line in self.call("POST", "/se/log", type="browser")]

    def look(self, width: int, *, dark: bool = False, height: int = 900) -> None:
        """Show the page at a width of a screen, in light or dark."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.cdp("Emulation.setEmulatedMedia", features=scheme)
        self.cdp("Emulation.setScrollbarsHidden", hidden=True)

    def picture(self, *, whole: bool = False) -> bytes:
        """Return what is shown, or the whole page, as PNG."""
        found = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(found["data"])


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Yield a tab; ``folder`` holds the profile."""
    assert DRIVER is not None
    with (folder / "driver.log").open("w+") as log:
        driver = subprocess.Popen([DRIVER, "--port=0"], stdout=log, stderr=subprocess.STDOUT)
        try:
            port = ""
            end = time.monotonic() + 60
            while not port:
                assert time.monotonic() < end, "the driver did not begin"
                assert driver.poll() is None, (folder / "driver.log").read_text()
                time.sleep(0.05)
                said = (folder / "driver.log").read_text().split("on port ")
                port = said[-1].split(".")[0].strip() if len(said) > 2 or "successfully" in said[-1] else ""
            address = f"http://127.0.0.1:{port}"
            words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
            words += [f"--user-data-dir={folder / 'profile'}", "--window-size=1000,900"]
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": {"binary": BROWSER, "args": words},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
            request = Request(f"{address}/session", json.dumps({"capabilities": {"alwaysMatch": wanted}}).encode())
            with urlopen(request, timeout=120) as answer:
                session = json.load(answer)["value"]["sessionId"]
            tab = Browser(f"{address}/session/{session}")
            try:
                yield tab
            finally:
                tab.call("DELETE", "")
        finally:
            driver.terminate()
            driver.wait(30)
