"""Use that nobody has in mind: odd cells, odd places, threads, forks, other loops; and no secret in any of it."""

from __future__ import annotations

import json
import os

import pytest
from browser.scripted_server import Reply
from real_kernel.conftest import PASSWORD, Server
from real_kernel.rig import Kernel, Run
from real_kernel.test_endings import wait_until

pytestmark = pytest.mark.kernel

THREAD = """\
import threading
def in_a_thread(work):
    got = []
    def run():
        try:
            got.append(work())
        except BaseException as error:
            got.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    return got
"""


@pytest.mark.parametrize(
    "prompt",
    [
        "\"\"\" ''' \\n \\ at the end\\",
        "a null \0 in it",
        "é 🎉 \u202e from the right \u2028 a line of its own \x0c a page",
        "%%time\n!ls\n%matplotlib inline\nwhat is x?\nprint??",
        "await get_ipython().run_cell_magic('berlin', '', 'x')",
        "    indented\n  less",
        "long " * 60_000,
    ],
    ids=["quotes", "null", "unicode", "magics", "code", "indented", "long"],
)
def test_a_prompt_arrives_as_it_was_written(kernel: Kernel, server: Server, prompt: str) -> None:
    kernel.good("%%berlin --once\n" + prompt)
    assert server.asked[-1].body["prompt"] == prompt.strip("\n")


@pytest.mark.parametrize(
    "code",
    [
        "\n\n%%berlin -o reply\nGo",
        "  %%berlin -o reply\n  Go",
        ">>> %%berlin -o reply\nGo",
        "%%timeit -n1 -r1\n%%berlin -o reply\nGo",
        "%%prun -q\n%%berlin -o reply\nGo",
        "exec(\"get_ipython().run_cell_magic('berlin', '-o reply', 'Go')\")",
        "async def ask():\n    get_ipython().run_cell_magic('berlin', '-o reply', 'Go')\nawait ask()",
        f"{THREAD}\nin_a_thread(lambda: get_ipython().run_cell_magic('berlin', '-o reply', 'Go'));",
    ],
    ids=["lines above", "indented", "prompt", "timeit", "prun", "exec", "async function", "thread"],
)
def test_wherever_the_magic_stands_it_answers(kernel: Kernel, server: Server, code: str) -> None:
    server.answers(Reply("a reply", seconds=0.1, pieces=2))
    kernel.good("reply = None")
    kernel.good(code)
    assert kernel.value("reply") == "'a reply'"


def test_under_a_magic_for_another_language_nothing_is_asked(kernel: Kernel, server: Server) -> None:
    kernel.good("%%html\n%%berlin\nGo")
    assert server.asked == []


def test_questions_from_code_at_the_same_time_do_not_mix(kernel: Kernel, server: Server) -> None:
    server.answers(*[Reply(f"answer {number} " * 4, seconds=0.2) for number in range(4)])
    got = kernel.value(
        "import asyncio, berlin_magic\n"
        "replies = await asyncio.gather(*[berlin_magic.conversation().ask(f'question {n}') for n in range(4)])\n"
        "[len(set(reply.split()) - {'answer'}) for reply in replies], len(set(replies))"
    )
    assert got == "([1, 1, 1, 1], 4)"


def test_a_timeout_of_the_users_ends_the_request(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("some", hangs=True, pieces=1))
    kernel.good(
        "import asyncio, berlin_magic\n"
        "try:\n    async with asyncio.timeout(0.5): await berlin_magic.conversation().ask('Go')\n"
        "except TimeoutError: pass"
    )
    wait_until(server.asked[0].over.is_set)
    assert "[stopped]: some" in kernel.good("%berlin history").stdout


def test_threads_have_the_synchronous_api_after_a_nested_run_too(kernel: Kernel, server: Server) -> None:
    kernel.good("%%time\n%%berlin\nGo")
    got = kernel.value(
        f"{THREAD}\nimport berlin_magic\nin_a_thread(lambda: berlin_magic.conversation().ask_sync('Go'))"
    )
    assert got == "['The answer is 42.']"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_asks_for_itself(kernel: Kernel, server: Server) -> None:
    kernel.good("%%time\n%%berlin\nGo")
    run = kernel.good(
        "import os, select, warnings, berlin_magic\n"
        "reader, writer = os.pipe()\n"
        "warnings.simplefilter('ignore')\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    try:\n        os.write(writer, berlin_magic.Conversation().ask_sync('Go').encode())\n"
        "    finally:\n        os._exit(0)\n"
        "said = os.read(reader, 100) if select.select([reader], [], [], 20)[0] else b'nothing'\n"
        "os.kill(child, 9); os.waitpid(child, 0);"
    )
    assert run.status == "ok"
    assert kernel.value("said") == "b'The answer is 42.'"
    assert kernel.good("%%berlin\nAnd here").answer["text/plain"].strip() == "The answer is 42."


def test_no_reply_replaces_what_the_shell_needs(kernel: Kernel, server: Server) -> None:
    for name in ("__builtins__", "get_ipython"):
        assert "can't be the name of a variable" in kernel.run(f"%%berlin -o {name}\nGo").stderr
    assert kernel.value("len('abc')") == "3"


def test_reloading_in_the_middle_of_a_reply_stops_it_and_keeps_what_arrived(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("some", hangs=True, pieces=1))
    kernel.good(
        "import asyncio\nreload = lambda: get_ipython().run_line_magic('reload_ext', 'berlin_magic')\n"
        "asyncio.get_running_loop().call_later(0.7, reload);"
    )
    run = kernel.good("%%berlin\nGo", timeout=20)
    assert run.answer["text/plain"].startswith("some")
    assert run.metadata["finish"] == "stopped"
    server.answers(Reply("fine"))
    assert kernel.good("%%berlin\nGo").answer["text/plain"].strip() == "fine"


ERRORS = {
    "refused": {"code": 5000, "data": [], "message": f"no, {PASSWORD}"},
    "login": {"code": 4001, "data": [], "message": "log in"},
}


@pytest.mark.parametrize("error", ERRORS, ids=list(ERRORS))
def test_no_secret_is_in_verbose_tracebacks_debug_logs_or_what_can_be_looked_at(
    kernel: Kernel, server: Server, error: str
) -> None:
    kernel.good(
        "import asyncio, logging, sys, berlin_magic\n"
        "from berlin_magic import Berlin\n"
        "root = logging.getLogger()\n"
        "log = logging.StreamHandler(sys.stdout)\n"
        "root.addHandler(log); root.setLevel(logging.DEBUG)\n"
        "asyncio.get_running_loop().set_debug(True)\n"
        "%xmode Verbose"
    )
    try:
        for code in (
            "%%berlin\nGo",
            "%%time\n%%berlin\nGo",
            "await berlin_magic.conversation().ask('Go')",
            "berlin_magic.conversation().ask_sync('Go')",
            "async for piece in Berlin.create_async_generator('', [{'role': 'user', 'content': 'Go'}]): pass",
        ):
            server.answers(*[Reply(error=ERRORS[error], status=500)] * 3)
            run = kernel.run(code)
            assert run.status == "error"
            assert_no_secret(run, code)
        for code in (
            "vars(Berlin)",
            "vars(berlin_magic.conversation())",
            "vars(get_ipython().magics_manager.registry['BerlinMagics'])",
            "from berlin_magic import connection\nvars(connection), (await connection.connect()).settings",
            "%config BerlinMagics",
            "%history -o",
        ):
            assert_no_secret(kernel.run(code), code)
    finally:
        kernel.good(
            "root.removeHandler(log); root.setLevel(logging.WARNING)\n"
            "asyncio.get_running_loop().set_debug(False)\n%xmode Context"
        )


def assert_no_secret(run: Run, code: str) -> None:
    told = json.dumps([message.content for message in run.messages], ensure_ascii=False)
    assert PASSWORD not in told, code
    assert Server.token not in told, code
