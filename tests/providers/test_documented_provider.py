"""The documentation's example of a provider, word for word: installed by its entry point, it does all that ours do."""

from __future__ import annotations

import ast
import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import assert_fit_to_be_shown
from scripted import ScriptedServer, Then, reply

from berlin_magic.conversations.conversation import Conversation
from berlin_magic.errors import IncompleteReplyError, ServerError, ServerUnreachableError
from berlin_magic.providers import availability, registry

PAGE = Path(__file__).parents[2] / "berlin_magic" / "documentation" / "python-api.md"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
LINES_OF_A_SCREEN = 40


def example() -> tuple[str, str]:
    """Return the module and the entry point that the documentation shows."""
    section = PAGE.read_text(encoding="utf-8").partition("## A provider that asks a server")[2]
    (code,) = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[:1]
    (entry,) = re.findall(r"^```toml\n.*?\n(.*?)\n```", section, re.MULTILINE | re.DOTALL)[:1]
    return code, entry


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    install_example(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.installed.cache_clear()
    yield
    registry.installed.cache_clear()
    sys.modules.pop("lines_provider", None)


def install_example(folder: Path) -> None:
    code, entry = example()
    (folder / "lines_provider.py").write_text(code, encoding="utf-8")
    info = folder / "lines_provider-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lines_provider\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[berlin_magic.providers]\n" + entry.replace('"', "") + "\n")


def test_it_fits_on_a_screen_and_uses_the_public_names_alone() -> None:
    code, _ = example()
    assert len(code.splitlines()) <= LINES_OF_A_SCREEN
    imported = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    assert [node.module for node in imported] == ["berlin_magic"]


async def test_its_reply_arrives_whole_however_it_is_cut(server: ScriptedServer) -> None:
    text = "Grüße, 世界 👩‍🚀!"
    data = text.encode()
    server.on("/ask", [HEAD, *(data[i : i + 1] for i in range(len(data)))])
    talk = Conversation("Be brief.", model="lines:m", url=f"{server.url}/ask")
    assert await talk.ask("Hello", temperature=0.5) == text
    body = server.requests[0].json
    assert (body["model"], body["temperature"], len(body["messages"])) == ("m", 0.5, 2)
    assert (talk[0].provider, talk[0].model) == ("Lines", "m")


async def test_it_is_stopped_as_any_other(server: ScriptedServer) -> None:
    server.on("/ask", [HEAD, b"so far", Then.HOLD])
    talk = Conversation(model="lines:m", url=f"{server.url}/ask")
    pieces = talk.stream("Hello")
    assert await anext(pieces) == "so far"
    await pieces.aclose()
    async with asyncio.timeout(5):
        await server.requests[0].gone.wait()
    assert (talk[0].reply, talk[0].finish) == ("so far", "stopped")


async def test_its_errors_are_the_users(server: ScriptedServer) -> None:
    server.on("/ask", [reply(500, b"no")])
    with pytest.raises(ServerError, match="500"):
        await Conversation(model="lines:m", url=f"{server.url}/ask").ask("Hello")


async def test_a_server_that_is_not_there_is_told(order: None, unused_tcp_port: int) -> None:
    with pytest.raises(ServerUnreachableError) as caught:
        await Conversation(model="lines:m", url=f"http://127.0.0.1:{unused_tcp_port}/ask").ask("Hello")
    assert_fit_to_be_shown(caught.value)


@pytest.mark.parametrize("end", [[Then.RESET], [Then.HOLD]], ids=["reset", "silent"])
async def test_a_reply_that_is_cut_is_kept_and_told(server: ScriptedServer, end: list[Then]) -> None:
    server.on("/ask", [HEAD.replace(b"Connection", b"Content-Length: 100\r\nConnection"), b"so far", 0.1, *end])
    talk = Conversation(model="lines:m", url=f"{server.url}/ask", silence=0.3)
    with pytest.raises(IncompleteReplyError) as caught:
        await talk.ask("Hello")
    assert_fit_to_be_shown(caught.value)
    assert (talk[0].reply, talk[0].finish) == ("so far", "cut")


async def test_it_is_in_the_list(order: None) -> None:
    there = {finding.name: finding for finding in [await availability._check("lines", {})]}
    assert there["lines"].needs.startswith("the line server") and there["lines"].where == "http://127.0.0.1:9000/ask"
