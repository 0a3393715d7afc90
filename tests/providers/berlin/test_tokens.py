"""One token for all of a user's processes: renewed by one of them, whatever becomes of it; nothing is mixed up."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from asking import ACCOUNT, HELLO, NEW_TOKEN, PASSWORD, TOKEN, assert_no_secret, outcome
from scripted import HEAD, Then, envelope, stream

from berlin_magic.credentials import shared_token
from berlin_magic.credentials.private_file import state_folder
from berlin_magic.credentials.secret import Secret
from berlin_magic.credentials.shared_token import SharedToken
from berlin_magic.errors import NotAllowedError
from berlin_magic.messages import Notice, Text
from berlin_magic.providers import resolve
from berlin_magic.providers.berlin import provider
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.results.conversation import Conversation

pytestmark = pytest.mark.slow

CHAT, LOGIN = "/api/chat/completions", "/api/login"
EXPIRED = envelope(4001, [], "", status=401)
ANSWER = HEAD + stream("Hello ", "you")

ASKING = """
import asyncio, sys
from berlin_magic.providers.berlin.provider import Berlin
url, account, password = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
async def main():
    messages = [{"role": "user", "content": "Hi"}]
    asked = Berlin.create_async_generator("", messages, url=url, account=account, password=password)
    print("".join([piece async for piece in asked]), flush=True)
asyncio.run(main())
"""
HOLDING = """
import asyncio, sys
from berlin_magic.credentials.shared_token import SharedToken
from berlin_magic.credentials.private_file import state_folder
async def main():
    async with SharedToken((sys.argv[1], sys.argv[2]), state_folder()).login_lock():
        print("ready", flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


def ask(server, **given):
    return Berlin.create_async_generator(
        "", HELLO, **{"url": server.url, "account": ACCOUNT, "password": PASSWORD, **given}
    )


def in_file(server, account: str = ACCOUNT) -> SharedToken:
    return SharedToken((server.url, account), state_folder())


def tokens(server) -> list[str]:
    return [request.headers["token"] for request in server.to(CHAT)]


@asynccontextmanager
async def process(code: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a Python that says when it is ready."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, *arguments, **pipes)
    try:
        assert child.stdout is not None
        line = await asyncio.wait_for(child.stdout.readline(), 60)
        assert line.strip() == b"ready", (await child.communicate())[1].decode()
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


class Issuing:
    """A server that ends an account's old token at each login, as a real one does."""

    def __init__(self, server, processes: int, *, first: str = "") -> None:
        self.current = "canary-not-yet-issued"
        self._all_there = asyncio.Event()
        self._left = processes
        self._first = first
        self._server = server
        server.on(CHAT, self._chat)
        server.on(LOGIN, self._login)

    def _chat(self, request):
        if request.headers["token"] == self.current:
            return [ANSWER]
        if request.headers["token"] == self._first:
            self._left -= 1
            if not self._left:
                self._all_there.set()
            return [self._all_there, EXPIRED]  # each of them has been told before one can have logged in
        return [EXPIRED]

    def _login(self, request):
        assert request.json["password"] == PASSWORD
        self.current = f"canary-issued-{len(self._server.to(LOGIN))}"
        return [0.3, envelope(0, {"token": self.current})]


async def answers_of_ten(server) -> list[str]:
    async with AsyncStack() as children:
        ten = await asyncio.gather(*(children.enter(process(ASKING, server.url, ACCOUNT, PASSWORD)) for _ in range(10)))
        told = await asyncio.gather(*(asyncio.wait_for(child.communicate(b"go\n"), 60) for child in ten))
    assert_no_secret(*(output.decode() for outputs in told for output in outputs))
    assert [errors for _, errors in told] == [b""] * 10
    return [answer.decode().strip() for answer, _ in told]


class AsyncStack:
    """Contexts that are entered at once, and left together."""

    async def __aenter__(self):
        self._entered = []
        return self

    async def enter(self, context):
        value = await context.__aenter__()
        self._entered.append(context)
        return value

    async def __aexit__(self, *error):
        for context in self._entered:
            await context.__aexit__(*error)


async def test_ten_processes_with_one_expired_token_log_in_once_and_get_ten_answers(server):
    await in_file(server).write(Secret(TOKEN))
    Issuing(server, 10, first=TOKEN)
    assert await answers_of_ten(server) == ["Hello you"] * 10
    assert len(server.to(LOGIN)) == 1
    assert sorted(tokens(server)) == sorted([TOKEN] * 10 + ["canary-issued-1"] * 10)
    assert await in_file(server).read() == "canary-issued-1"


async def test_ten_processes_that_start_with_no_token_log_in_once(server):
    Issuing(server, 10)
    assert await answers_of_ten(server) == ["Hello you"] * 10
    assert len(server.to(LOGIN)) == 1


async def test_a_process_that_is_killed_while_it_logs_in_holds_up_nobody(server):
    server.on(LOGIN, [Then.HOLD], [envelope(0, {"token": TOKEN})])
    server.on(CHAT, [ANSWER])
    async with process(ASKING, server.url, ACCOUNT, PASSWORD) as child:
        child.stdin.write(b"go\n")
        await server.request(LOGIN)
        child.kill()
        await child.wait()
        result = await asyncio.wait_for(outcome(ask(server)), 10)
    assert result.text == "Hello you"
    assert len(server.to(LOGIN)) == 2


async def test_a_question_waits_for_the_process_that_logs_in_and_is_given_up_at_once(server):
    server.on(LOGIN, [envelope(0, {"token": TOKEN})])
    server.on(CHAT, [ANSWER])
    async with process(HOLDING, server.url, ACCOUNT):
        waiting = asyncio.create_task(outcome(ask(server)))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        assert server.connections == 0
        waiting.cancel()
        done, _ = await asyncio.wait([waiting], timeout=5)
        assert done
    result = await asyncio.wait_for(outcome(ask(server)), 10)  # what was given up does not take the lock later
    assert result.text == "Hello you"


async def test_it_does_not_wait_for_ever(server, monkeypatch):
    monkeypatch.setattr(shared_token, "_LOGIN_TIMEOUT", 0.3)
    server.on(LOGIN, [envelope(0, {"token": TOKEN})])
    server.on(CHAT, [ANSWER])
    async with process(HOLDING, server.url, ACCOUNT):
        assert (await asyncio.wait_for(outcome(ask(server)), 20)).text == "Hello you"


async def test_a_process_that_logs_in_elsewhere_holds_up_nobody(server):
    server.on(LOGIN, [envelope(0, {"token": TOKEN})])
    server.on(CHAT, [ANSWER])
    async with process(HOLDING, server.url, "somebody-else"), process(HOLDING, "http://127.0.0.1:9", ACCOUNT):
        assert (await asyncio.wait_for(outcome(ask(server)), 10)).text == "Hello you"


async def test_a_token_that_another_process_has_renewed_is_taken_without_a_login(server):
    Berlin._token = TOKEN
    await in_file(server).write(Secret(NEW_TOKEN))
    server.on(CHAT, lambda request: [ANSWER if request.headers["token"] == NEW_TOKEN else EXPIRED])
    assert (await outcome(ask(server))).text == "Hello you"
    assert tokens(server) == [TOKEN, NEW_TOKEN]
    assert Berlin._token == NEW_TOKEN
    assert not server.to(LOGIN)


async def test_a_token_of_the_file_needs_no_password(server):
    await in_file(server).write(Secret(TOKEN))
    server.on(CHAT, [ANSWER])
    assert (await outcome(ask(server, password=None))).text == "Hello you"


async def test_where_the_files_token_is_refused_too_there_is_a_login(server):
    Berlin._token = TOKEN
    await in_file(server).write(Secret("canary-also-old"))
    server.on(CHAT, lambda request: [ANSWER if request.headers["token"] == NEW_TOKEN else EXPIRED])
    server.on(LOGIN, [envelope(0, {"token": NEW_TOKEN})])
    assert (await outcome(ask(server))).text == "Hello you"
    assert tokens(server) == [TOKEN, "canary-also-old", NEW_TOKEN]
    assert len(server.to(LOGIN)) == 1


async def test_a_server_that_refuses_what_others_keep_getting_is_not_asked_for_ever(server):
    Berlin._token = TOKEN

    def refuse(request):
        records = {f"{server.url} {ACCOUNT}": {"token": f"canary-{len(server.to(CHAT))}"}}
        (state_folder() / "tokens.json").write_text(json.dumps(records))
        return [EXPIRED]

    await in_file(server).write(Secret(NEW_TOKEN))
    server.on(CHAT, refuse)
    assert type((await outcome(ask(server))).failure) is NotAllowedError
    assert len(server.to(CHAT)) == 4


async def test_a_token_forgotten_by_hand_does_not_come_back_from_the_file(server):
    server.on(LOGIN, [envelope(0, {"token": TOKEN})], [envelope(0, {"token": NEW_TOKEN})])
    server.on(CHAT, [ANSWER])
    await outcome(ask(server))
    Berlin._token = None
    await outcome(ask(server))
    assert tokens(server) == [TOKEN, NEW_TOKEN]
    assert await in_file(server).read() == NEW_TOKEN


async def test_accounts_and_servers_are_not_mixed(server):
    await in_file(server).write(Secret(TOKEN))
    await in_file(server, "bob").write(Secret(NEW_TOKEN))
    await SharedToken(("http://127.0.0.1:9", ACCOUNT), state_folder()).write(Secret("canary-elsewhere"))
    server.on(CHAT, [ANSWER])
    for account in (ACCOUNT, "bob", ACCOUNT):
        await outcome(ask(server, account=account))
    assert tokens(server) == [TOKEN, NEW_TOKEN, TOKEN]
    assert not server.to(LOGIN)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes; the profile's folder keeps others out")
async def test_only_the_user_can_read_the_files(server):
    server.on(LOGIN, [envelope(0, {"token": TOKEN})])
    server.on(CHAT, [ANSWER])
    before = os.umask(0)
    try:
        await outcome(ask(server))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state_folder().iterdir()}
    assert "tokens.json" in modes
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(state_folder().stat().st_mode) == 0o700


async def test_nothing_else_than_the_token_is_in_the_folder(server):
    server.on(LOGIN, [envelope(0, {"token": TOKEN, "user_info": {"password": "canary-hash"}})])
    server.on(CHAT, [ANSWER])
    await outcome(ask(server))
    told = {path.name: path.read_text() for path in state_folder().iterdir()}
    assert json.loads(told.pop("tokens.json")) == {f"{server.url} {ACCOUNT}": {"token": TOKEN}}
    assert_no_secret(*told.values())


def unusable(tmp_path: Path, how: str) -> Path:
    if how == "no folder":
        (tmp_path / "file").write_text("")
        return tmp_path / "file" / "state"
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o500)
    return folder


@pytest.mark.parametrize("how", ["no folder", "read-only"])
async def test_a_folder_that_can_not_be_used_is_one_warning_and_the_token_stays_in_memory(
    server, tmp_path, monkeypatch, how
):
    if how == "read-only" and (os.name == "nt" or os.geteuid() == 0):
        pytest.skip("modes do not hold whoever runs this")
    monkeypatch.setenv("BERLIN_STATE_DIR", str(unusable(tmp_path, how)))
    server.on(CHAT, [EXPIRED], [ANSWER])
    server.on(LOGIN, [envelope(0, {"token": TOKEN})], [envelope(0, {"token": NEW_TOKEN})])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            assert (await outcome(ask(server))).text == "Hello you"
    assert len(told) == 1, [str(warning.message) for warning in told]
    assert "can't be used" in str(told[0].message)
    assert len(server.to(LOGIN)) == 2


def always_new(server):
    """Let each login have a token of its own."""
    server.on(LOGIN, lambda _: [envelope(0, {"token": f"canary-issued-{len(server.to(LOGIN))}"})])


async def test_where_none_is_shared_a_token_that_another_login_has_ended_is_renewed_after_a_wait(server, monkeypatch):
    monkeypatch.setattr(provider, "_LOGIN_JITTER", 0.0)
    always_new(server)
    server.on(CHAT, [EXPIRED], [EXPIRED], [EXPIRED], [ANSWER])
    asked = Berlin.stream("", HELLO, url=server.url, account=ACCOUNT, password=PASSWORD, shared=False)
    items = [item async for item in asked]
    assert "".join(item.text for item in items if isinstance(item, Text)) == "Hello you"
    assert ["logged in elsewhere" in item.text for item in items if isinstance(item, Notice)] == [True] * 3
    assert len(server.to(LOGIN)) == 4


async def test_the_waits_of_those_who_share_none_differ_and_are_bounded(server, monkeypatch):
    waits: list[tuple[float, float]] = []
    monkeypatch.setattr(provider.random, "uniform", lambda *limits: waits.append(limits) or 0.0)
    always_new(server)
    server.on(CHAT, [EXPIRED])
    assert type((await outcome(ask(server, shared=False))).failure) is NotAllowedError
    assert len(server.to(LOGIN)) == len(server.to(CHAT)) == 4
    assert waits == [(0, 1.0), (0, 3.0), (0, 9.0)]


async def test_a_token_of_before_is_renewed_without_a_wait_also_where_none_is_shared(server, monkeypatch):
    monkeypatch.setattr(provider, "_LOGIN_JITTER", 1e9)
    Berlin._token = TOKEN
    always_new(server)
    server.on(CHAT, [EXPIRED], [ANSWER])
    assert (await outcome(ask(server, shared=False))).text == "Hello you"


async def test_localhost_and_its_address_are_one_server_to_the_users_processes(server):
    await in_file(server).write(Secret(TOKEN))
    server.on(CHAT, [ANSWER])
    named = server.url.replace("127.0.0.1", "localhost")
    assert (await outcome(ask(server, url=named))).text == "Hello you"
    assert tokens(server) == [TOKEN]


async def test_servers_under_one_host_do_not_get_each_others_token(server):
    for path in ("/a", "/b"):
        server.on(f"{path}{LOGIN}", [envelope(0, {"token": f"canary-of-{path}"})])
        server.on(f"{path}{CHAT}", [ANSWER])
    for path in ("/a", "/b", "/a"):
        assert (await outcome(ask(server, url=f"{server.url}{path}"))).text == "Hello you"
    sent = [request.headers["token"] for request in server.requests if request.path.endswith(CHAT)]
    assert sent == ["canary-of-/a", "canary-of-/b", "canary-of-/a"]


async def test_tokens_that_nobody_logged_in_for_are_not_written(server, monkeypatch):
    monkeypatch.setenv("BERLIN_URL", server.url)
    monkeypatch.setenv("BERLIN_TOKEN", TOKEN)
    server.on(CHAT, [ANSWER])
    nobody = {"account": None, "password": None}
    await outcome(ask(server, **nobody))
    await outcome(ask(server, **nobody, token=NEW_TOKEN))
    Berlin._token = "canary-by-hand"
    await outcome(ask(server, **nobody))
    assert tokens(server) == [TOKEN, NEW_TOKEN, "canary-by-hand"]
    assert not state_folder().exists()


async def test_a_token_that_is_not_to_be_shared_is_not_written_nor_read(server):
    await in_file(server).write(Secret(TOKEN))
    server.on(LOGIN, [envelope(0, {"token": NEW_TOKEN})])
    server.on(CHAT, [ANSWER])
    await outcome(ask(server, shared=False))
    assert tokens(server) == [NEW_TOKEN]
    assert await in_file(server).read() == TOKEN
    assert "shared" not in server.to(CHAT)[0].json["options"]


async def test_the_embedded_servers_token_stays_in_memory(order):
    try:
        await Conversation().ask("How do I stop a reply?")
        assert Berlin._token
    finally:
        resolve.close_embedded()
    assert not state_folder().exists()
