"""A browser without a window, driven through its DevTools protocol."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT_S = 120.0  # for what a page shows


class Page:
    """A page. Its calls are of one thread."""

    def __init__(self, socket):
        self._socket, self._calls = socket, 0

    async def call(self, method, **values):
        self._calls += 1
        await self._socket.send_json({"id": self._calls, "method": method, "params": values})
        while (answer := await self._socket.receive_json()).get("id") != self._calls:
            pass
        return answer["result"]

    async def value(self, script):
        """The value of an expression in the page."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    async def go(self, url, script):
        """Opens an address and waits until an expression holds; returns the seconds that it took."""
        began = time.monotonic()
        await self.call("Page.navigate", url=url)
        while not await self.value(script):
            shown = await self.value("document.body ? document.body.innerText : ''")
            assert time.monotonic() - began < WAIT_S, f"{script} does not hold on {url}, which shows: {shown}"
            await asyncio.sleep(0.1)
        return time.monotonic() - began


def browse(visit):
    """Starts a browser, lets `visit`, which takes a Page, look at pages, and ends it; returns what that returns."""
    return asyncio.run(_browse(visit))


async def _browse(visit):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        line = [
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ]
        line += ["--window-size=1600,1000", "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
        started = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            told = next(line for line in started.stderr if "DevTools listening on" in line)
            place = told.split("ws://")[1].split("/")[0]
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://{place}/json") as reply:
                    pages = [page for page in await reply.json(content_type=None) if page["type"] == "page"]
                async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    return await visit(Page(socket))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()
            started.stderr.close()
