"""Checks of a reply's code, in a real kernel: what is shown, kept, sent back, and left as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from browser.scripted_server import Reply
from real_kernel.conftest import PASSWORD, Server
from real_kernel.rig import Kernel, Run

pytestmark = pytest.mark.kernel

RIGHT = "So:\n\n```python\ndef f(x):\n    return x * x\n```\n"
WRONG = "So:\n\n```python\ndef f(x):\n    return x + x + 1\n```\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, running_server: Server) -> Iterator[Kernel]:
    account = {"BERLIN_URL": running_server.url, "BERLIN_ACCOUNT": "tester", "BERLIN_PASSWORD": PASSWORD}
    kernel = Kernel(env={"IPYTHONDIR": str(tmp_path_factory.mktemp("ipython")), **account})
    kernel.good("%load_ext berlin_magic")
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(running: Kernel, server: Server) -> Kernel:
    running.good("%berlin reset\n%config BerlinMagics.replay = 'off'")
    return running


def cards(run: Run) -> list[str]:
    """Return the texts of the verdicts that a cell shows."""
    return [one["data"]["text/plain"] for one in run.outputs if "The check" in one["data"].get("text/plain", "")]


def runs(process: psutil.Process, program: str) -> bool:
    try:
        return program in process.cmdline()
    except psutil.Error:
        return False


def test_code_that_fails_goes_back_with_its_traceback_until_it_passes(kernel: Kernel, server: Server) -> None:
    server.answers(Reply(WRONG), Reply(RIGHT))
    run = kernel.good('%%berlin --check "assert f(2) == 4"\nWrite f(x), the square.', cell="a")
    assert len(server.asked) == 2
    back = server.asked[1].body["prompt"]
    assert "assert f(2) == 4" in back and "AssertionError" in back and "f(2) gave 5" in back
    failed, passed = cards(run)
    assert failed.startswith("✗ The check failed: `assert f(2) == 4`") and "f(2) gave 5" in failed
    assert passed.startswith("✓ The check passed: `assert f(2) == 4` · correction 1 of 2")
    assert "the network were not" in passed and "1,000 MB of memory" in passed
    told = [one["metadata"]["berlin"]["check"] for one in run.outputs if "berlin" in one["metadata"]]
    assert [one["verdict"] for one in told] == ["failed", "passed"]
    assert told[1]["code"] == "def f(x):\n    return x * x" and told[1]["check"] == "assert f(2) == 4"
    kept = kernel.value("[turn.check['verdict'] for turn in __import__('berlin_magic').conversation()]")
    assert kept == "['failed', 'passed']"
    assert kernel.value("'f' in globals()") == "False"


def test_a_replay_verifies_again_and_asks_nobody(kernel: Kernel, server: Server) -> None:
    server.answers(Reply(WRONG), Reply(RIGHT))
    kernel.good('%%berlin --check "assert f(3) == 9"\nWrite f, please.', cell="b")
    kernel.good("%config BerlinMagics.replay = 'only'")
    run = kernel.good('%%berlin --check "assert f(3) == 9"\nWrite f, please.', cell="b")
    assert len(server.asked) == 2
    assert [card[0] for card in cards(run)] == ["✗", "✓"]
    run = kernel.run('%%berlin --rounds 0 --check "assert f(3) == 10"\nWrite f, please.', cell="b")
    assert run.status == "error" and len(server.asked) == 2


def test_a_check_that_does_not_pass_fails_its_cell_and_leaves_the_kernel_as_it_was(
    kernel: Kernel, server: Server
) -> None:
    code = "import os\nnumbers.append(4)\nprint(sorted(os.environ))\ndef f(x):\n    return sum(numbers)"
    server.answers(Reply(f"```python\n{code}\n```"))
    kernel.good("numbers = [1, 2]\ndef expected(): return 99")
    run = kernel.run('%%berlin --rounds 1 --check "f(1) == expected()" --with numbers\nAdd up.', cell="c")
    assert run.status == "error" and "CheckFailedError" in run.error and len(run.error.splitlines()) == 2, run.error
    assert len(server.asked) == 2 and "f(1) gave 7" in cards(run)[0]
    assert kernel.value("numbers") == "[1, 2]"
    printed = next(
        one["data"]["text/html"] for one in run.outputs if "What it printed" in one["data"].get("text/html", "")
    )
    assert "HOME" in printed and "BERLIN" not in printed and PASSWORD not in json.dumps(run.outputs)


def test_a_function_of_the_notebook_takes_the_reply(kernel: Kernel, server: Server) -> None:
    server.answers(Reply(RIGHT))
    kernel.good("import math\ndef near(a, b): return math.isclose(a, b)")
    kernel.good("async def later(reply): return False")
    kernel.good("def sound(reply):\n    assert reply.code in reply\n    assert near(f(1.5), 2.25)")
    assert cards(kernel.good("%%berlin --check sound\nWrite f.", cell="d"))[0].startswith("✓")
    for line, words in (
        ("--check soun", "Did you mean sound?"),
        ('--check "f(2"', "no Python"),
        ("--rounds 2", "--check"),
        ("--check later", "async or a generator"),
        ("--check print", "Define it with def"),
    ):
        run = kernel.run(f"%%berlin {line}\nWrite f.")
        assert run.status == "error" and words in run.stderr
    assert len(server.asked) == 1


def test_an_interrupt_ends_the_code_at_once_and_the_kernel_goes_on(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("```python\nopen('here', 'w').close()\nwhile True:\n    pass\n```"))
    kernel.good("%config BerlinMagics.check_seconds = 200")
    request = kernel.send('%%berlin --check "f(2) == 4"\nWrite f.', cell="e")
    me = psutil.Process(kernel.pid)
    while not any(runs(one, "worker") for one in me.children(recursive=True)):
        pass
    started = me.children(recursive=True)
    kernel.interrupt()
    run = kernel.finish(request)
    assert run.status == "error" and "Interrupted" in run.error
    assert psutil.wait_procs(started, timeout=20)[1] == []
    assert kernel.value("1 + 1") == "2"
    kernel.good("%config BerlinMagics.check_seconds = 10")


def test_code_of_a_reply_from_a_file_is_not_run(kernel: Kernel, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "saved.json"
    code = "```python\nprint('it ran')\ndef f(x): return x * x\n```"
    said = [{"role": "user", "content": "Write f, from a file."}, {"role": "assistant", "content": code}]
    file.write_text(json.dumps(said), encoding="utf-8")
    no_file = "__import__('berlin_magic').kernel.notebook.notebook_of(get_ipython()).replay_from = ''"
    for once in ("--once ", ""):
        asked = f"%%berlin {once}--check 'f(2) == 4'"
        kernel.good("%config BerlinMagics.replay = 'off'")
        for line in (f"{asked} --replay-from '{file}'", f"{asked} --replay"):  # the second finds what the first stored
            run = kernel.run(f"{line}\nWrite f, from a file.", cell=f"from a file {once}")
            assert run.status == "error" and "code from a file is not run" in cards(run)[0]
            assert "saved.json" in cards(run)[0]
            assert not server.asked and "What it printed" not in json.dumps(run.outputs)
            kernel.good(no_file)
    server.answers(Reply(code))
    run = kernel.good("%%berlin --check 'f(2) == 4'\nWrite f.")
    assert cards(run)[0].startswith("✓") and "What it printed" in json.dumps(run.outputs)


def test_what_code_gave_does_not_leave_the_machine_at_the_level_schema(kernel: Kernel, server: Server) -> None:
    kernel.good("table = {'who': 'SECRET-value'}\nexpected = ['SECRET-expected']")
    leak = "```python\ndef f(x):\n    raise ValueError(str(table))\n```"
    line = '%%berlin --rounds 1 --check "f(2) == expected, expected" --with table\nWrite f.'
    kernel.good("%config BerlinMagics.data = 'schema'")
    server.answers(Reply(leak))
    run = kernel.run(line, cell="g")
    assert run.status == "error" and "SECRET-value" in cards(run)[0] and "not of what came out" in cards(run)[0]
    assert len(server.asked) == 2
    assert not [asked for asked in server.asked if "SECRET" in str(asked.body)]
    kernel.good("%config BerlinMagics.data = 'full'")
    for given in ("--with table", ""):  # what a correction has quoted is not sent again at a lower level, either
        server.answers(Reply(leak if given else WRONG))
        kernel.run(f'%%berlin --new --rounds 1 --check "assert f(2) == expected, expected" {given}\nWrite f.', cell="h")
        assert "SECRET" in str(server.asked[1].body)
        kernel.good("%config BerlinMagics.data = 'schema'")
        kernel.good("%%berlin\nGo on.")
        assert "Write f." in str(server.asked[-1].body) and "SECRET" not in str(server.asked[-1].body)
        kernel.good("%config BerlinMagics.data = 'full'")
