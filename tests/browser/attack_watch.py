"""What the attack corpus does in a browser: the texts told apart by number, and a watch over pages that show them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Dialog, Error, Page, Request, Route

__all__ = ["ATTACKS", "Watch", "numbered"]

CORPUS = Path(__file__).parents[1] / "corpus" / "attacks.json"
ATTACKS: list[dict[str, Any]] = json.loads(CORPUS.read_text("utf-8"))["attacks"]
DETECTOR = Path(__file__).with_name("attack_detector.js")
STRANGER = re.compile(r"a(\d+)\.stranger\.example\Z")
CANARY = 10_000  # the number of what the watch itself fires


def numbered(number: int, attack: dict[str, Any]) -> dict[str, Any]:
    """Return text and cuts of an attack whose script and whose stranger say which one it is."""

    def mark(text: str) -> str:
        return text.replace("berlinAttacked()", f"berlinAttacked({number})").replace(
            "stranger.example", f"a{number}.stranger.example"
        )

    text = attack["text"]
    return {"text": mark(text), "cuts": [len(mark(text[:cut])) for cut in attack.get("cuts", ())]}


class Watch:
    """Sees what scripts run, which requests leave, and which dialogs, windows and navigations there are in a context.

    Attributes
    ----------
    seen : dict
        For each attack the kinds of what was seen: ``script``, ``request``, ``navigation``. The key None has what
        belongs to no attack that is known.
    """

    def __init__(self, context: BrowserContext, home: str) -> None:
        self._context = context
        self._home = urlsplit(home).netloc
        self.seen: dict[int | None, set[str]] = defaultdict(set)
        self.opened = False  # whether the page has been loaded as it should be, so that any further load is an attack
        self.allowed: set[str] = set()

    async def begin(self) -> None:
        """Watch the context from now on; no request of it reaches anything but its home."""
        await self._context.expose_binding("berlinAttacked", self._script)
        await self._context.add_init_script(path=DETECTOR)
        await self._context.route(lambda url: not self._is_home(url), self._stop)
        self._context.on("request", self._request)
        self._context.on("page", self._page)
        self._context.on("dialog", self._dialog)

    def guard(self, page: Page) -> None:
        """Watch a page's own life, too."""
        page.on("domcontentloaded", lambda: self._loaded(page))
        page.on("websocket", lambda socket: self._is_home(socket.url) or self.seen[None].add(f"socket {socket.url}"))

    async def canary(self, page: Page) -> None:
        """Wait until a script and a request that the page makes now have been seen: so was all that came before."""
        self.seen.pop(CANARY, None)
        await page.evaluate(
            f"""() => {{
                const image = document.createElement("img");
                image.setAttribute("onerror", "berlinAttacked({CANARY}); this.remove()");
                image.src = "https://a{CANARY}.stranger.example/" + Math.random();
                (document.body ?? document.documentElement).append(image);
            }}"""
        )
        while self.seen[CANARY] != {"script", "request"}:
            await page.evaluate("() => new Promise(requestAnimationFrame)")
        del self.seen[CANARY]

    def named(self) -> dict[str, set[str]]:
        """Return what was seen, by the ids of the attacks."""
        return {
            ATTACKS[number]["id"] if number is not None else "?": kinds for number, kinds in self.seen.items() if kinds
        }

    def _is_home(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme in {"data", "blob", "about"} or parts.netloc == self._home or url in self.allowed

    def _script(self, _source: object, number: int | None = None, *_more: object) -> None:
        self.seen[number].add("script")

    def _request(self, request: Request) -> None:
        if self._is_home(request.url):
            return
        found = STRANGER.match(urlsplit(request.url).hostname or "")
        number = int(found[1]) if found else None
        kind = "navigation" if request.is_navigation_request() and not _is_framed(request) else "request"
        self.seen[number].add(kind if found else f"{kind} {request.url[:100]}")

    async def _stop(self, route: Route) -> None:
        if route.request.is_navigation_request():
            await route.fulfill(status=204)  # the page stays where it is
        else:
            await route.abort()

    def _page(self, _page: Page) -> None:
        if self.opened:
            self.seen[None].add("window")

    async def _dialog(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":
            await dialog.accept()  # to see where the page is about to go
            return
        self.seen[None].add(f"dialog {dialog.message[:100]}")
        await dialog.dismiss()

    def _loaded(self, page: Page) -> None:
        if self.opened:
            self.seen[None].add(f"load {page.url[:100]}")


def _is_framed(request: Request) -> bool:
    try:
        return request.frame.parent_frame is not None
    except Error:  # a new window has no frame yet
        return False
