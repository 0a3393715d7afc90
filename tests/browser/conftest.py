"""The browser rig: one Chromium, one JupyterLab and one scripted server for the session; a page for each test."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from browser.jupyterlab_page import Lab, Notebook
from browser.scripted_server import ScriptedBerlin
from playwright.async_api import Browser, Page, async_playwright

SCREENSHOTS = Path(__file__).resolve().parents[2] / "screenshots"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # One loop for browser, server and tests: playwright's objects belong to the loop that made them.
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


_FAILED = pytest.StashKey[bool]()


def _find_chromium() -> str:
    chosen = os.environ.get("BERLIN_TEST_CHROMIUM")
    found = chosen or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        reason = f"no browser found: install one of {', '.join(_BROWSERS)} or set BERLIN_TEST_CHROMIUM"
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = _find_chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncIterator[ScriptedBerlin]:
    server = ScriptedBerlin()
    await server.start()
    yield server
    await server.close()


@pytest.fixture(scope="session")
def environment(server: ScriptedBerlin, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        "BERLIN_URL": server.url,
        "BERLIN_ACCOUNT": "tester",
        "BERLIN_PASSWORD": "not-a-secret",
        "BERLIN_MODEL": "scripted",
        "BERLIN_STATE_DIR": str(tmp_path_factory.mktemp("state")),
        "BERLIN_MODELS": str(tmp_path_factory.mktemp("models")),
    }


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab(
    browser: Browser, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"), environment)
    yield lab
    lab.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, lab: Lab, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1100, "height": 800})
    page = await context.new_page()
    page.set_default_timeout(30_000)  # a machine that does much else at the time is slow, not broken
    yield page
    if request.node.stash.get(_FAILED, False):
        SCREENSHOTS.mkdir(exist_ok=True)
        name = re.sub(r"[^\w.-]+", "_", request.node.name)
        await page.screenshot(path=SCREENSHOTS / f"{name}.png")
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def notebook(lab: Lab, page: Page) -> AsyncIterator[Callable[..., Awaitable[Notebook]]]:
    """Open a notebook with these cells: ``await notebook("1 + 1", "%%berlin\\nHello")``."""
    opened: list[Notebook] = []

    async def open_notebook(*sources: str, **options: str) -> Notebook:
        opened.append(await Notebook.new(lab, page, *sources, **options))
        return opened[-1]

    yield open_notebook
    for one in opened:
        await one.shut_down()
