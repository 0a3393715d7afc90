"""Looking up names: as the system does it, and at nobody's cost where it hangs."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import textwrap

import pytest
from asking import HELLO, TOKEN, outcome
from scripted import HEAD, stream

from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.transport.client import NameLookup


def ask(url):
    return outcome(Berlin.create_async_generator("", HELLO, url=url, token=TOKEN))


async def test_this_machine_is_found(order):
    found = await NameLookup().resolve("localhost", 8731)
    assert {one["host"] for one in found} & {"127.0.0.1", "::1"}
    assert {one["port"] for one in found} == {8731}
    assert {one["family"] for one in found} <= {socket.AF_INET, socket.AF_INET6}


async def test_an_address_of_ipv6_keeps_its_zone(order, monkeypatch):
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_args, **_how: [(socket.AF_INET6, 1, 6, "", ("fe80::1", 80, 0, 1))]
    )
    monkeypatch.setattr(socket, "getnameinfo", lambda where, _flags: (f"{where[0]}%{where[3]}", str(where[1])))
    (found,) = await NameLookup().resolve("router.example", 80)
    assert (found["host"], found["port"]) == ("fe80::1%1", 80)


async def test_a_name_that_is_unknown_is_an_oserror(order, no_names):
    with pytest.raises(OSError, match="not known"):
        await NameLookup().resolve("nowhere.invalid")


async def test_lookups_that_hang_and_were_given_up_keep_nobody_waiting(server, hanging_names):
    """asyncio's own threads are few: everything else that needs one would wait for them."""
    server.on("/api/chat/completions", [HEAD, stream("Hello")])
    asking = [asyncio.create_task(ask("http://slow.invalid")) for _ in range((os.cpu_count() or 1) + 32)]
    await asyncio.sleep(0.1)
    for one in asking:
        one.cancel()
    async with asyncio.timeout(2):
        await asyncio.wait(asking)
        assert await asyncio.to_thread(int) == 0
        assert (await ask(server.url.replace("127.0.0.1", "localhost"))).text == "Hello"


def test_a_process_ends_while_a_lookup_hangs():
    program = textwrap.dedent("""
        import asyncio, socket, threading
        from berlin_magic.providers.berlin.provider import Berlin
        socket.getaddrinfo = lambda *_args, **_how: threading.Event().wait()
        async def ask():
            messages = [{"role": "user", "content": "Hello"}]
            async for text in Berlin.create_async_generator("", messages, url="http://slow.invalid", token="t"):
                pass
        try:
            asyncio.run(asyncio.wait_for(ask(), 0.2))
        except TimeoutError:
            print("given up")
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert (done.stdout.strip(), done.stderr) == ("given up", "")
