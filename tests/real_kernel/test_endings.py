"""However a reply ends: what had arrived is kept, one short message says what to do, and the next cell works."""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from browser.scripted_server import Reply
from real_kernel.conftest import PASSWORD, Server
from real_kernel.rig import Kernel, Message, Run, once

pytestmark = pytest.mark.kernel


def connected(listener: socket.socket) -> None:
    """Wait until somebody connects; not by `select`, which knows no descriptor above 1023."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.select(5)


def shows(text: str):
    def check(message: Message) -> bool:
        return message.kind in {"display_data", "update_display_data", "comm_msg"} and text in json.dumps(
            message.content
        )

    return check


def assert_usable(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("fine"))
    assert kernel.good("%%berlin\nStill there?").answer["text/plain"].strip() == "fine"


def wait_until(condition, timeout: float = 5.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def silent_server() -> Iterator[socket.socket]:
    """A server that lets everybody in and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)
        yield listening


def address_of(listening: socket.socket, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"


def assert_closed(listening: socket.socket) -> None:
    """Hold the client to having closed the oldest connection that is not yet accepted."""
    connection, _ = listening.accept()
    with connection:
        connection.settimeout(2)
        while connection.recv(2**16):
            pass


@contextmanager
def url_of(kernel: Kernel, url: str) -> Iterator[None]:
    """Ask there meanwhile."""
    kernel.good(f"%config BerlinMagics.url = {url!r}")
    yield
    kernel.good("%config BerlinMagics.url = ''")


def assert_interruptible(kernel: Kernel, code: str, ready: Callable[[], object]) -> Run:
    """Interrupt `code` when it is `ready`, and hold it to ending soon, in one line."""
    request = kernel.send(code)
    ready()
    time.sleep(0.3)  # until the loop sleeps in its selector, where a signal does not wake it
    began = time.monotonic()
    kernel.interrupt()
    run = kernel.finish(request, timeout=10)
    assert time.monotonic() - began < 2
    assert run.error.startswith("Interrupted") and len(run.error.splitlines()) == 1
    return run


def test_a_cut_reply_is_kept_and_the_cell_fails_in_a_few_lines(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("half of the", cut=True, pieces=3))
    run = kernel.run("%%berlin\nTell me")
    assert run.status == "error"
    assert run.answer["text/plain"].startswith("half of the")
    assert run.metadata["finish"] == "cut"
    assert run.error.startswith("IncompleteReplyError: ") and len(run.error.splitlines()) < 5
    assert "kept" in run.error
    server.answers(Reply("the rest"))
    kernel.good("%%berlin\nGo on")
    assert "half of the" in server.asked[0].body["prompt"]


def test_an_interrupt_in_the_middle_keeps_the_partial_and_closes_the_connection(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("so far so good", hangs=True, pieces=2))
    interrupted: list[float] = []

    def interrupt() -> None:
        interrupted.append(time.monotonic())
        kernel.interrupt()

    queued: list[str] = []
    request = kernel.send("%%berlin\nTell me")
    queued.append(kernel.send("ran = True"))
    run = kernel.finish(request, watch=once(interrupt, shows("so far")))
    assert run.status == "error"
    assert run.error.splitlines() == ["Interrupted; what had arrived is kept, in the conversation too."]
    assert run.answer["text/plain"].startswith("so far so good")
    wait_until(server.asked[0].over.is_set)
    assert server.asked[0].ended - interrupted[0] < 1.0
    assert kernel.finish(queued[0]).status == "aborted"
    assert run.stderr == ""
    assert_usable(kernel, server)
    assert "so far so good" in server.asked[0].body["prompt"]


def test_an_interrupt_before_the_first_word(kernel: Kernel, server: Server) -> None:
    server.answers(Reply(hangs=True))
    request = kernel.send("%%berlin\nTell me")
    wait_until(lambda: len(server.asked) == 1)
    kernel.interrupt()
    run = kernel.finish(request)
    assert run.error.splitlines() == ["Interrupted before the first word."]
    wait_until(server.asked[0].over.is_set, timeout=1.0)
    assert_usable(kernel, server)


def test_an_interrupt_twice_in_a_row(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("some", hangs=True, pieces=1))

    def twice() -> None:
        kernel.interrupt()
        kernel.interrupt()

    run = kernel.run("%%berlin\nTell me", watch=once(twice, shows("some")))
    assert run.status == "error" and len(run.error.splitlines()) < 5
    assert_usable(kernel, server)


@pytest.mark.parametrize(
    "way", ["%%capture out\n%%berlin\nTell me", "get_ipython().run_cell_magic('berlin', '', 'Tell me')"]
)
def test_an_interrupt_of_a_blocking_run(kernel: Kernel, server: Server, way: str) -> None:
    server.answers(Reply("some", hangs=True, pieces=1))
    request = kernel.send(way)
    wait_until(lambda: bool(server.asked and server.asked[0].sent))
    kernel.interrupt()
    run = kernel.finish(request, timeout=20)
    assert "Interrupted" in run.error and "asyncio" not in run.error
    wait_until(server.asked[0].over.is_set)
    assert_usable(kernel, server)


@pytest.mark.parametrize("code", ["%berlin models", "get_ipython().run_line_magic('berlin', 'models')"])
def test_an_interrupt_of_a_command_whose_request_hangs(kernel: Kernel, server: Server, code: str) -> None:
    with silent_server() as silent, url_of(kernel, address_of(silent)):
        assert_interruptible(kernel, code, lambda: connected(silent))
        assert_closed(silent)
    assert_usable(kernel, server)


def test_an_interrupt_of_a_login_that_hangs(kernel: Kernel, server: Server) -> None:
    def typed() -> None:
        for answer in answers:
            kernel.client.get_stdin_msg(timeout=10)
            kernel.client.input(answer)
        connected(silent)

    answers = ["canary-account-5d0e", PASSWORD]
    with silent_server() as silent:
        run = assert_interruptible(kernel, f"%berlin login {address_of(silent)}", typed)
        assert_closed(silent)
    assert PASSWORD not in json.dumps([message.content for message in run.messages], default=str)
    assert_usable(kernel, server)


@contextmanager
def setting(kernel: Kernel, **settings: object) -> Iterator[None]:
    """Set traits of the magics meanwhile."""
    registry = "get_ipython().magics_manager.registry['BerlinMagics']"
    kernel.good(f"berlin_before = {{name: getattr({registry}, name) for name in {list(settings)!r}}}")
    kernel.good(f"for name, value in {settings!r}.items(): setattr({registry}, name, value)")
    yield
    kernel.good(f"for name, value in berlin_before.items(): setattr({registry}, name, value)")


@contextmanager
def account_at(kernel: Kernel, url: str) -> Iterator[None]:
    """Have the account of the environment at that server meanwhile."""
    kernel.good(f"import os; url_before = os.environ['BERLIN_URL']; os.environ['BERLIN_URL'] = {url!r}")
    yield
    kernel.good("os.environ['BERLIN_URL'] = url_before")


HANGING_LOOKUP = """\
import socket, threading
known = socket.getaddrinfo
def hang(host, *more, **how):
    if host == "hangs.invalid":
        knock = socket.create_connection({address!r})
        threading.Event().wait()
    return known(host, *more, **how)
socket.getaddrinfo = hang
"""


def test_an_interrupt_on_the_way_to_the_first_word(kernel: Kernel, server: Server) -> None:
    """Of a login that is held, of a TLS handshake, and of a name that is looked up: each is a wait of another kind."""
    for scheme in ("http", "https"):
        with silent_server() as silent, account_at(kernel, address_of(silent, scheme)):
            run = assert_interruptible(kernel, "%%berlin\nTell me", lambda: connected(silent))
            assert_closed(silent)
        assert run.error == "Interrupted before the first word."
    with silent_server() as knocked, account_at(kernel, "http://hangs.invalid"):
        kernel.good(HANGING_LOOKUP.format(address=knocked.getsockname()))
        for _ in range(3):
            assert_interruptible(kernel, "%%berlin\nTell me", lambda: connected(knocked))
            knocked.accept()[0].close()
        kernel.good("socket.getaddrinfo = known")
    assert_usable(kernel, server)


BUSY = Reply(error={"code": 5000, "data": [], "message": "busy"}, status=503)


def test_an_interrupt_or_a_stop_while_it_waits_to_ask_again(kernel: Kernel, server: Server) -> None:
    server.answers(BUSY)
    run = kernel.run("%%berlin\nTell me", watch=once(kernel.interrupt, shows("trying again in")))
    assert run.error == "Interrupted before the first word."
    assert len(server.asked) == 1
    server.answers(BUSY)
    stop = "get_ipython().magics_manager.registry['BerlinMagics'].stop_all"
    kernel.good(f"import asyncio; asyncio.get_running_loop().call_later(0.4, {stop});")
    run = kernel.run("%%berlin\nTell me")
    assert (run.status, run.error) == ("ok", "")
    assert len(server.asked) == 1
    assert_usable(kernel, server)


def test_a_silent_server_and_a_reply_that_is_too_large_keep_what_arrived(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("so far so good", hangs=True, pieces=1))
    with setting(kernel, silence=0.3):
        run = kernel.run("%%berlin\nTell me")
    assert run.reply["ename"] == "SilentTooLongError" and len(run.error.splitlines()) < 5
    assert run.answer["text/plain"].startswith("so far so good")
    server.answers(Reply("so far so good " * 200))
    with setting(kernel, reply_limit=2000):
        run = kernel.run("%%berlin\nTell me")
    assert run.reply["ename"] == "ReplyTooLargeError" and len(run.error.splitlines()) < 5
    assert run.answer["text/plain"].startswith("so far so good")
    assert_usable(kernel, server)


def test_a_fault_of_tls_or_of_a_proxy_is_one_short_message(kernel: Kernel, server: Server) -> None:
    with account_at(kernel, server.url.replace("http", "https")):
        run = kernel.run("%%berlin\nTell me")
    assert run.reply["ename"] == "ServerUnreachableError" and len(run.error.splitlines()) < 5
    assert "https" in run.error
    password = "proxy-password-7a3c"  # it stands in the cell that sets it, as a canary must not
    for proxy in (f"http://ada:{password}@127.0.0.1:9", f"hhtp://ada:{password}@proxy"):
        with setting(kernel, proxy=proxy):
            run = kernel.run("%%berlin\nTell me")
        assert "proxy" in run.error and len(run.error.splitlines()) < 5
        assert password not in json.dumps([message.content for message in run.messages], default=str)
    assert_usable(kernel, server)


def test_a_fault_in_the_background_stays_in_its_own_output(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("half of the", cut=True, pieces=3))
    shown: list[dict[str, Any]] = []
    request = kernel.send("%%berlin --bg\nTell me")
    assert kernel.finish(request).status == "ok"
    end = time.monotonic() + 10
    while not (shown and "berlin" in shown[-1]["metadata"]):
        message = kernel.client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
        assert message["msg_type"] != "error"
        if message["msg_type"] == "update_display_data" and message["parent_header"]["msg_id"] == request:
            shown.append(message["content"])
    assert "half of the" in shown[-1]["data"]["text/plain"]
    assert "Run the cell again" in json.dumps(shown[-1]["data"])
    assert shown[-1]["metadata"]["berlin"]["finish"] == "cut"
    assert "cut" in kernel.good("%berlin jobs").stdout.splitlines()[-1]
    assert_usable(kernel, server)


def test_interrupts_at_any_moment_leave_the_kernel_usable(kernel: Kernel, server: Server) -> None:
    for step in range(12):
        server.answers(Reply("word " * 5, seconds=0.15, pieces=5))
        request = kernel.send("%%berlin\nTell me")
        time.sleep(0.03 * step)  # the moment is the point: through login, waiting, reading and the end
        kernel.interrupt()
        run = kernel.finish(request)
        assert "Traceback" not in run.error and len(run.error.splitlines()) < 5
        kernel.run("pass")
    assert_usable(kernel, server)


def test_a_refused_connection(kernel: Kernel, server: Server) -> None:
    kernel.good("%config BerlinMagics.url = 'http://127.0.0.1:9'")
    run = kernel.run("%%berlin\nTell me")
    kernel.good("%config BerlinMagics.url = ''")
    assert run.status == "error" and len(run.error.splitlines()) < 5
    # The account of the environment is for the server of BERLIN_URL, and goes to no other.
    assert "127.0.0.1:9" in run.error and PASSWORD not in run.error
    assert_usable(kernel, server)


@pytest.mark.parametrize(
    ("status", "envelope", "kind"),
    [
        (500, {"code": 5000, "data": [], "message": "Model gpt-9 is not supported"}, "ModelUnknownError"),
        (400, {"code": -1, "data": [], "message": "账户积分余额不足, 请充值后在使用。"}, "NoBalanceError"),
        (429, {"code": -1, "data": {"error": {"message": "Rate limit reached"}}, "message": ""}, "RateLimitError"),
        (401, {"code": 4001, "data": [], "message": "login again"}, "NotAllowedError"),
        (200, {"code": -1, "data": [], "message": "\x1b[31mno\x1b[0m"}, "ServerError"),
    ],
)
def test_an_error_of_the_server_is_one_short_message(
    kernel: Kernel, server: Server, status: int, envelope: dict[str, object], kind: str
) -> None:
    server.answers(Reply(error=envelope, status=status))
    run = kernel.run("%%berlin -m gpt-9\nTell me")
    assert run.status == "error" and run.reply["ename"] == kind
    assert len(run.error.splitlines()) < 5
    assert PASSWORD not in json.dumps([m.content for m in run.messages])
    assert "\x1b[31m" not in run.error
    assert_usable(kernel, server)


def test_unloading_ends_what_is_running(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("some", hangs=True, pieces=1))
    kernel.good(
        "import asyncio\n"
        "asyncio.get_running_loop().call_later(0.5, get_ipython().extension_manager.unload_extension, 'berlin_magic');"
    )
    kernel.run("%%berlin\nTell me", timeout=20)
    wait_until(server.asked[0].over.is_set)
    kernel.good("%load_ext berlin_magic")
    assert_usable(kernel, server)
