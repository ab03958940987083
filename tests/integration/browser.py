"""A real Chromium without a window, spoken to over its DevTools protocol, and axe-core, which judges accessibility.

In: addresses of pages. Out: what a person would see and be able to do there. Scripts of pages can be forbidden; ours of
this module run all the same. axe-core comes from npm once a machine, checked against `npm/package-lock.json`;
`python tests/integration/browser.py` fetches it and prints where it lies.

Environment:
    TOCSIN_TEST_SCREENSHOTS=<directory>  keeps the pictures there
"""

import asyncio
import base64
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Self

import aiohttp

NPM = Path(__file__).with_name("npm")
FETCH_SECONDS_MAX = 120
START_SECONDS_MAX = 60.0
CALL_SECONDS_MAX = 60.0
"""On a loaded machine; usually some 10 ms."""
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0"),
)
"""It looks for nobody but the pages that it is sent to."""


class Missing(Exception):
    """No browser can be run here, and why."""


def axe() -> Path:
    """axe-core's script, fetched with npm when it is not there. Several processes may ask at once.

    Raises:
        Missing: no npm, or no way to the registry.
    """
    version = sha256((NPM / "package-lock.json").read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin"
    found = cache / f"npm-{version}"
    script = found / "node_modules" / "axe-core" / "axe.min.js"
    if script.is_file():
        return script
    if not shutil.which("npm"):
        raise Missing("needs npm to fetch axe-core (Debian: npm)")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not script.is_file():
            _fetch(found)
    return script


def _fetch(into: Path) -> None:
    """All or nothing: `into` appears when everything is in it."""
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(NPM / name, scratch)
        words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", scratch]
        try:
            subprocess.run(words, check=True, capture_output=True, text=True, timeout=FETCH_SECONDS_MAX)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise Missing(f"npm could not fetch axe-core: {getattr(error, 'stderr', '') or error}") from error
        shutil.rmtree(into, ignore_errors=True)
        shutil.move(scratch, into)
        Path(scratch).mkdir()  # for the end of the block


def chromium() -> str:
    """The program.

    Raises:
        Missing: there is none.
    """
    found = shutil.which("chromium")
    if found is None:
        raise Missing("needs Chromium (Debian: chromium)")
    return found


class Browser:
    """One running Chromium; each page has a profile of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.pages: dict[str, Page] = {}

    async def __aenter__(self) -> Self:
        profile = self._directory / "profile"
        profile.mkdir(parents=True)
        environment = {**os.environ, "HOME": str(self._directory)}
        with (self._directory / "chromium.txt").open("wb") as log:
            words = [chromium(), *QUIET, f"--user-data-dir={profile}", "about:blank"]
            self._process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)  # noqa: ASYNC220 - at once
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                port, path = await self._address(profile / "DevToolsActivePort")
                self._http = aiohttp.ClientSession()
                url = f"ws://127.0.0.1:{port}{path}"
                self._socket = await self._http.ws_connect(url, max_msg_size=64 * 1024 * 1024)
        except BaseException:
            await self.__aexit__()
            raise
        self._reader = asyncio.create_task(self._read())
        return self

    async def _address(self, file: Path) -> tuple[str, str]:
        while True:
            with contextlib.suppress(FileNotFoundError, ValueError):
                return self._told(file)
            await asyncio.sleep(0.05)

    def _told(self, file: Path) -> tuple[str, str]:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "chromium.txt").read_text()
        port, path = file.read_text().split("\n")[:2]
        return port, path

    async def __aexit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if self._socket is not None:
            await self._socket.close()
        if self._http is not None:
            await self._http.close()
        if self._process is not None:
            self._process.terminate()
            try:
                await asyncio.to_thread(self._process.wait, 20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    async def _read(self) -> None:
        assert self._socket is not None
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            elif (page := self.pages.get(said.get("sessionId", ""))) is not None:
                page.heard(said["method"], said["params"])

    async def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """One command of the protocol.

        Raises:
            AssertionError: the browser refuses it.
        """
        assert self._socket is not None
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        asked: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json({**asked, "sessionId": session} if session else asked)
        said = await asyncio.wait_for(answer, CALL_SECONDS_MAX)
        assert "error" not in said, f"{method}: {said.get('error')}"
        result: dict[str, Any] = said["result"]
        return result

    async def page(self, width: int, height: int, *, dark: bool = False, scripts: bool = True) -> "Page":
        """A new page, `width` x `height` CSS pixels, of a visitor who was never here."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = (await self.call("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self.pages[session] = Page(self, session)
        await page.call("Page.enable")
        phone = width < 600
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        await page.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await page.call("Emulation.setEmulatedMedia", features=[scheme])
        await page.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        await page.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        return page


class Page:
    """One page of a browser."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = asyncio.Event()

    def heard(self, event: str, parameters: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self._loaded.set()

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return await self._browser.call(method, self._session, **parameters)

    async def open(self, url: str) -> None:
        """Go there, and wait until everything is loaded."""
        self._loaded.clear()
        gone = await self.call("Page.navigate", url=url)
        assert "errorText" not in gone, gone
        await asyncio.wait_for(self._loaded.wait(), CALL_SECONDS_MAX)

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page, awaited when it is a promise."""
        said = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def text(self) -> str:
        """What stands on the page."""
        return str(await self.evaluate("document.body.innerText"))

    async def tap(self, selector: str) -> None:
        """Tap the middle of the first element, as a finger does, and wait for the page that it leads to."""
        place = f"document.querySelector({json.dumps(selector)})"
        spot = await self.evaluate(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            f" return {{x: r.x + r.width / 2, y: r.y + r.height / 2}} }})({place})"
        )
        self._loaded.clear()
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **spot)
        await asyncio.wait_for(self._loaded.wait(), CALL_SECONDS_MAX)

    async def violations(self) -> list[str]:
        """What axe-core calls serious or critical."""
        await self.evaluate(axe().read_text(encoding="utf-8"))
        found = await self.evaluate(
            "axe.run().then(r => r.violations.filter(v => ['serious', 'critical'].includes(v.impact))"
            ".map(v => v.id + ': ' + v.nodes.map(n => n.html + ' ' + n.failureSummary).join(' | ')))"
        )
        return list(found)

    async def picture(self, file: Path) -> None:
        """A PNG of the whole page; kept where TOCSIN_TEST_SCREENSHOTS says, too."""
        said = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        _keep(file, base64.b64decode(said["data"]))


def _keep(file: Path, png: bytes) -> None:
    file.write_bytes(png)
    if kept := os.environ.get("TOCSIN_TEST_SCREENSHOTS"):
        Path(kept).mkdir(parents=True, exist_ok=True)
        (Path(kept) / file.name).write_bytes(png)


if __name__ == "__main__":
    print(axe())
