"""Code that is checked: what passes, and that nothing else does, whatever the code tries."""

from __future__ import annotations

import asyncio
import ctypes
import json
import linecache
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from results.hostile_code import FALSE_VERDICTS, FILES, FORKS, LIAR, MEMORY

from berlin_magic.results.check_names import names_for
from berlin_magic.results.check_process import environment_of_child, run_check
from berlin_magic.results.checks import Check, Limits, Verdict

pytestmark = pytest.mark.slow

SQUARE = "def f(x):\n    return x * x\n"
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no fork")


async def checked(code: str, check: str = "f(2) == 4", user: dict[str, Any] | None = None, **how: Any) -> Verdict:
    shared = how.pop("shared", ())
    limits = Limits(**{"seconds": 20.0, "memory": 400_000_000, **how})
    asked = Check.of(check)
    names = names_for(asked, code, user or {}, shared)
    return await run_check(asked, f"```python\n{code}\n```", code, names, limits=limits)


def mine() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - other processes' doing
        await asyncio.sleep(0.01)


async def nothing_is_left(before: set[psutil.Process]) -> None:
    await until(lambda: not any(map(is_alive, set(mine()) - before)))


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def runs(process: psutil.Process, program: str) -> bool:
    try:
        return program in process.cmdline()
    except psutil.Error:
        return False


POINT = """
class P:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return self.x == other.x
    def __add__(self, other): return P(self.x + other.x)
    def __len__(self): return 3
"""
ERROR = """
class E(ValueError): pass
def f(x): raise E(x)
"""
CATCH = """
import contextlib
with contextlib.suppress(ValueError):
    f(1)
    assert False
"""
CHILD = """
import subprocess, sys
def f(x):
    done = subprocess.run([sys.executable, "-c", "print(4)"], capture_output=True, check=True)
    return int(done.stdout)
"""


@pytest.mark.parametrize(
    ("code", "check"),
    [
        (SQUARE, "f(2) == 4"),
        (SQUARE, "assert f(2) == 4; assert f(-3) == 9"),
        ("def f(x):\n    yield from range(x)", "list(f(3)) == [0, 1, 2] and 2 in f(3)"),
        ("def f(x):\n    x.sort()", "x = [3, 1]; f(x); assert x == [1, 3]"),
        ("def f(g, x):\n    return g(x)", "f(lambda v: v + 1, 2) == 3 and f(int, '3') == 3"),
        (POINT, "P(1) + P(2) == P(3) and P(1).x == 1 and isinstance(P(1), P) and len(P(1)) == 3"),
        (POINT, "not isinstance(3, P) and not P(1) == P(2)"),
        (ERROR, CATCH),
        (CHILD, "f(2) == 4"),
        ("items = []\ndef f(x):\n    items.append(x)", "f(1); f(2); assert items == [1, 2]"),
        ("open('a.txt', 'w').write('4')\ndef f(x):\n    return int(open('a.txt').read())", "f(2) == 4"),
        ("from dataclasses import dataclass\n@dataclass\nclass D:\n    x: int", "D(3).x == 3 and D(3) == D(3)"),
    ],
)
async def test_code_that_does_what_is_asked_passes(code: str, check: str) -> None:
    verdict = await checked(code, check)
    assert verdict.passed, verdict


async def test_a_check_uses_the_notebooks_own_and_the_code_what_the_question_named() -> None:
    def near(a: float, b: float) -> bool:
        return bool(np.isclose(a, b))

    near.__module__ = "__main__"
    table = pd.DataFrame({"n": [1, 2]})
    user = {"near": near, "np": np, "table": table, "want": [2, 4]}
    code = "table['m'] = table.n * 2\ndef f(x):\n    return np.sqrt(x)"
    check = "near(f(2.0), 1.4142135) and list(table.m) == want and np.allclose(f(np.array([4.0])), [2])"
    verdict = await checked(code, check, user, shared=["table"], memory=1_500_000_000)
    assert verdict.passed and verdict.used == ("f", "table"), verdict
    assert list(table.columns) == ["n"]


@pytest.mark.parametrize("name", FALSE_VERDICTS)
async def test_code_gives_no_verdict(name: str) -> None:
    before = set(mine())
    verdict = await checked(FALSE_VERDICTS[name])
    assert not verdict.passed, verdict
    await nothing_is_left(before)


@pytest.mark.parametrize(
    ("code", "check"),
    [
        (LIAR, "abs(f(2) - 4) < 1e-9"),
        (LIAR, "4 in f(2)"),
        (LIAR, "not f(2) != 4"),
        (LIAR, "f(2) in [4]"),
        (LIAR, "3 < f(2)"),
        (LIAR, "f(2) == [4] or {4: 1}[f(2)]"),
        ("def sorted(x): return [1, 2]", "sorted([2, 1]) == [1, 2] and sorted"),
        ("def f(x): raise StopIteration", "f(2) == 4"),
        ("def f(x):\n    x.clear(); x.append(4)", "f([1]) == [4]"),
        ("x = 1", "True"),
        ("from unittest.mock import call as np", "np.allclose(1, 2)"),
        ("globals()['isclose'] = lambda *a: True", "isclose(1, 2)"),
    ],
)
async def test_what_the_codes_own_objects_say_of_themselves_is_not_believed(code: str, check: str) -> None:
    verdict = await checked(code, check)
    assert verdict.kind == "failed", verdict


@pytest.mark.parametrize("check", ["late(f(2))", "assert late(f(2))", "calls", "yields"])
async def test_a_check_that_nobody_waits_for_does_not_pass(check: str) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    source = (
        "async def late(x): return x == 5\n"
        "def calls(reply): return late(f(2))\n"
        "def inner(x): yield x == 5\n"
        "def yields(reply): return inner(f(2))\n"
    )
    linecache.cache["<late>"] = (len(source), None, source.splitlines(keepends=True), "<late>")
    exec(compile(source, "<late>", "exec"), namespace)
    verdict = await checked(SQUARE, check, namespace)
    assert verdict.kind == "failed", verdict


async def test_a_check_that_catches_every_error_does_not_take_the_end_of_the_code_for_one() -> None:
    check = "try:\n    f(2)\nexcept Exception:\n    pass\nassert True"
    assert (await checked("def f(x): raise ValueError", check)).passed
    assert not (await checked("import os\ndef f(x): os._exit(0)", check)).passed


async def test_code_that_loops_is_ended_at_its_limit() -> None:
    before = set(mine())
    verdict = await checked("while True: pass", seconds=0.7)
    assert verdict.kind == "ended" and verdict.said == "It did not end within 0.7 seconds."
    assert (await checked(SQUARE, "f(2) == 4\nwhile True: pass", seconds=0.7)).kind == "ended"
    await nothing_is_left(before)


@pytest.mark.parametrize("name", MEMORY)
async def test_code_that_eats_memory_is_ended_at_its_limit(name: str) -> None:
    before = psutil.Process().memory_info().rss
    verdict = await checked(MEMORY[name], memory=200_000_000)
    assert not verdict.passed and ("200 MB of memory" in verdict.said or "MemoryError" in verdict.said), verdict
    assert psutil.Process().memory_info().rss - before < 50_000_000


async def test_code_that_prints_without_end_is_ended_and_its_output_is_cut() -> None:
    before = psutil.Process().memory_info().rss
    verdict = await checked("print('begin')\nfor _ in range(100): print('x' * 1_000_000)\n" + SQUARE)
    assert verdict.kind == "ended" and "printed more than 1,000 kB" in verdict.said
    assert verdict.printed.startswith("begin") and "bytes …" in verdict.printed and len(verdict.printed) < 10_000
    assert psutil.Process().memory_info().rss - before < 20_000_000


@pytest.mark.parametrize("name", FILES)
async def test_code_that_writes_files_without_end_is_ended_and_leaves_none(name: str) -> None:
    code = f"import os, tempfile\nprint(os.getcwd(), tempfile.gettempdir())\n{FILES[name]}"
    verdict = await checked(code, disk=10_000_000)
    assert not verdict.passed, verdict
    folders = set(verdict.printed.split()[:2])
    assert len(folders) == 1
    await until(lambda: not any(Path(folder).exists() for folder in folders))


@posix
@pytest.mark.parametrize("name", FORKS)
async def test_a_process_that_code_starts_is_ended_and_is_no_success(name: str) -> None:
    before = {one.pid for one in psutil.process_iter()}
    verdict = await checked(FORKS[name])
    assert not verdict.passed, verdict
    home = f"{os.sep}berlin-check-"
    await until(lambda: not any(home in _home(one) for one in psutil.process_iter() if one.pid not in before))


def _home(process: psutil.Process) -> str:
    try:
        return "" if process.status() == "zombie" else process.environ().get("HOME", "")
    except psutil.Error:
        return ""


async def test_the_process_has_an_empty_folder_and_no_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BERLIN_PASSWORD", "OPENAI_API_KEY", "AWS_PROFILE", "HTTPS_PROXY", "PYTHONPATH", "MY_SETTING"):
        monkeypatch.setenv(name, "canary-1f2e")
    code = "import os, sys\nprint(dict(os.environ), os.listdir(), sys.path, sys.argv)\n" + SQUARE
    verdict = await checked(code)
    assert verdict.passed and "canary" not in verdict.printed and " [] " in verdict.printed
    kept = environment_of_child(
        {"Path": "p", "SystemRoot": "w", "LC_ALL": "C", "HOME": "/home/ada", "TOKEN": "t"}, "here"
    )
    assert {kept.pop(name) for name in ("HOME", "USERPROFILE", "TMPDIR")} == {"here"}
    assert kept["Path"] == "p" and kept["SystemRoot"] == "w" and kept["LC_ALL"] == "C" and "TOKEN" not in kept


async def test_code_can_not_write_elsewhere_nor_reach_other_processes_if_the_system_can_see_to_it(
    tmp_path: Path,
) -> None:
    if sys.platform != "linux" or ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) < 1:
        pytest.skip("this system has no Landlock")
    assert (await checked(SQUARE)).confined
    me, elsewhere = os.getpid(), tmp_path / "elsewhere"
    for attempt in (
        f"open({str(elsewhere)!r}, 'w')",
        f"__import__('os').mkdir({str(elsewhere)!r})",
        f"open('/proc/{me}/environ', 'rb').read()",
        "open(f'/proc/{os.getppid()}/environ', 'rb').read()",
        "[os.readlink(f'/proc/{os.getppid()}/fd/{fd}') for fd in os.listdir(f'/proc/{os.getppid()}/fd')]",
        "open(f'/proc/{os.getppid()}/mem', 'rb')",
        "import resource; resource.setrlimit(resource.RLIMIT_DATA, (-1, -1))",
    ):
        verdict = await checked(f"import os\n{attempt}\n{SQUARE}")
        assert verdict.kind == "failed" and ("PermissionError" in verdict.said or "ValueError" in verdict.said), verdict
    assert not elsewhere.exists()
    shell = (
        "import subprocess\ndef f(x):\n    subprocess.run('mkdir a; echo 4 > a/b; mv a/b c', shell=True, check=True)\n"
    )
    assert (await checked(f"{shell}    return int(open('c').read())")).passed


@posix
async def test_if_the_judge_is_killed_there_is_no_verdict_and_nothing_is_left() -> None:
    before = set(mine())
    task = asyncio.ensure_future(checked(FORKS["in a session of its own"] + "\nwhile True: pass", seconds=250))

    def judges() -> list[psutil.Process]:
        return [one for one in set(mine()) - before if runs(one, "judge")]

    await until(judges)
    [judge] = judges()
    home = _home(judge)

    def at_home() -> list[psutil.Process]:
        return [one for one in psutil.process_iter() if _home(one) == home]

    await until(lambda: len(at_home()) > 2)  # the judge, the code, and what it has left in a session of its own
    judge.kill()
    assert (await task).kind == "error"
    await until(lambda: not at_home())


@posix
async def test_a_verdict_without_the_judges_proof_is_none(tmp_path: Path) -> None:
    forged = json.dumps([json.dumps({"kind": "passed", "used": ["f"], "seconds": 1}), "0" * 64])
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nread order\necho '{forged}'\n")
    program.chmod(0o700)
    asked = Check.of("f(2) == 4")
    verdict = await run_check(asked, "", SQUARE, names_for(asked, SQUARE, {}), limits=Limits(), python=str(program))
    assert verdict.kind == "error" and "without a verdict" in verdict.said


async def test_a_check_that_is_cancelled_ends_the_code_at_once() -> None:
    before = set(mine())
    task = asyncio.ensure_future(checked("while True: pass", seconds=250))
    await until(lambda: any(runs(one, "worker") for one in set(mine()) - before))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await nothing_is_left(before)


async def test_what_is_told_of_a_failure_has_no_folder_and_no_address() -> None:
    code = "import os\ndef f(x):\n    raise ValueError(f'{os.getcwd()} {object()}')"
    one, other = await checked(code), await checked(code)
    assert one.said == other.said and "berlin-check" not in one.said and "line 3, in f" in one.said


async def test_checks_at_once_do_not_disturb_each_other() -> None:
    verdicts = await asyncio.gather(*(checked(f"def f(x): return {n % 2} * 4", seconds=60) for n in range(6)))
    assert [one.passed for one in verdicts] == [False, True] * 3
