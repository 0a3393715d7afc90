"""The local server: in this process, for this process, and gone with it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server.scripted_engine import ScriptedEngine

from berlin_magic.errors import BerlinError
from berlin_magic.server.local import LocalServer

ROOT = Path(__file__).parents[2]
START = "from berlin_magic.server.local import LocalServer; server = LocalServer.start(); print(server.url, flush=True)"


@pytest.fixture
def server() -> Iterator[LocalServer]:
    server = LocalServer.start(lambda: ScriptedEngine("Hello ", "there", None))
    yield server
    server.close()


def post(url: str, path: str, body: Any, token: str = "") -> str:
    request = urllib.request.Request(
        url + path, json.dumps(body).encode(), {"token": token, "Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def login(server: LocalServer) -> str:
    body = {"account": server.account, "password": server.password}
    return json.loads(post(server.url, "/api/login", body))["data"]["token"]


def port(url: str) -> int:
    return int(url.rpartition(":")[2])


def refuses(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port(url)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def becomes_refused(url: str) -> bool:
    deadline = time.monotonic() + 10
    while not refuses(url):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_it_answers_over_http_while_the_calling_thread_is_blocked(server: LocalServer):
    body = {"prompt": "Hi", "parentMessageId": "p", "options": {}}
    assert '"there"' in post(server.url, "/api/chat/completions", body, login(server))


def test_only_its_own_account_with_its_own_password_can_log_in(server: LocalServer):
    for account, password in [("notebook", "wrong"), ("someone", server.password), ("notebook", "")]:
        with pytest.raises(urllib.error.HTTPError) as refusal:
            post(server.url, "/api/login", {"account": account, "password": password})
        with refusal.value as answer:
            assert answer.code == 406
    assert login(server)


def test_its_password_is_long_new_at_each_start_and_in_no_repr(server: LocalServer):
    other = LocalServer.start(ScriptedEngine)
    other.close()
    assert len(server.password) >= 40
    assert server.password != other.password
    assert str(server.password) not in repr(server) + repr(server.password) + repr(vars(server))


def test_close_frees_the_port_and_can_be_repeated(server: LocalServer):
    assert server.alive
    server.close()
    assert not server.alive
    assert refuses(server.url)
    server.close()
    assert "ended" in repr(server)


def test_close_cuts_a_reply_that_is_running():
    server = LocalServer.start(lambda: ScriptedEngine("one"))
    token = login(server)
    body = json.dumps({"prompt": "Hi", "parentMessageId": "p", "options": {}}).encode()
    request = urllib.request.Request(
        server.url + "/api/chat/completions", body, {"token": token, "Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.readline()
        server.close()
        assert not server._thread.is_alive()


def test_a_server_that_cannot_start_is_an_error_that_says_what_to_do():
    def broken() -> Any:
        raise OSError("no engine")

    before = threading.active_count()
    with pytest.raises(BerlinError, match=r"OSError.*BERLIN_URL"):
        LocalServer.start(broken)
    assert threading.active_count() == before


def test_a_start_that_takes_too_long_is_an_error_and_leaves_nothing_running():
    release = threading.Event()

    def slow() -> Any:
        release.wait(10)
        return ScriptedEngine()

    with pytest.raises(BerlinError, match=r"within 0.05 s"):
        LocalServer.start(slow, timeout=0.05)
    release.set()
    deadline = time.monotonic() + 10
    while any(thread.name == "berlin-server" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("end", ["", "server.close()", "import sys; sys.exit(3)", "import asyncio; del server"])
def test_the_interpreter_exits_with_it_quietly_and_at_once(end: str):
    process = python(f"{START}; {end}")
    out, err = process.communicate(timeout=30)
    assert err == ""
    assert refuses(out.strip())


def test_the_interpreters_exit_closes_the_engine():
    code = """
from berlin_magic.server.local import LocalServer
class Engine:
    async def close(self):
        print("closed", flush=True)
LocalServer.start(Engine)
"""
    assert python(code).communicate(timeout=30) == ("closed\n", "")


def test_the_interpreter_exits_quietly_with_a_reply_running():
    code = f"""
{START}
import http.client, json
kind = {{"Content-Type": "application/json"}}
connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
connection.request("POST", "/api/login", json.dumps({{"account": server.account, "password": server.password}}), kind)
token = json.loads(connection.getresponse().read())["data"]["token"]
body = {{"prompt": "What is this?", "parentMessageId": "p", "options": {{}}}}
connection.request("POST", "/api/chat/completions", json.dumps(body), {{"token": token, **kind}})
print(connection.getresponse().readline().decode(), flush=True)
import os; connection.sock and os.close(connection.sock.detach())
"""
    out, err = python(code).communicate(timeout=30)
    assert '"start"' in out
    assert err == ""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows ends processes in its own way")
def test_kill_9_ends_it():
    process = python(f"{START}; import time; time.sleep(60)")
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert not refuses(url)
    process.kill()
    process.communicate()
    assert becomes_refused(url)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_does_not_believe_that_it_has_one_and_does_not_hold_its_port():
    code = (
        f"{START}; import os, sys, time; child = os.fork()\n"
        "if child == 0:\n"
        "    print('child', os.getpid(), server.alive, flush=True); server.close(); time.sleep(60); os._exit(0)\n"
        "time.sleep(60)"
    )
    process = python(code)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    said = re.fullmatch(r"child (\d+) (True|False)\n", process.stdout.readline())
    assert said is not None
    assert said[2] == "False"
    assert not refuses(url), "the child's close does not end the parent's"
    process.kill()
    try:
        assert becomes_refused(url)
    finally:
        os.kill(int(said[1]), signal.SIGKILL)
        process.communicate()
