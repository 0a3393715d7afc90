"""With nothing configured, the embedded server answers, and ends with the kernel."""

from __future__ import annotations

import json
import re
import socket
import time

import pytest
from real_kernel.conftest import environment
from real_kernel.rig import LONGEST_GAP, TICKING, Kernel

pytestmark = pytest.mark.kernel

QUESTIONS = [
    "What is berlin_magic?",
    "How do I stop a reply?",
    "How do I use it with Ollama?",
    "Where is my password stored?",
    "How do I get the answer into a variable?",
    "How do I choose another model?",
    "How do I start a new conversation?",
    "How do I set a system prompt?",
    "Can I use it from Python code?",
    "What happens when the connection is cut?",
]


def port_of(kernel: Kernel) -> int:
    match = re.search(r"http://127\.0\.0\.1:(\d+)", kernel.good("%berlin").stdout)
    assert match is not None
    return int(match.group(1))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_first_cell_answers_and_says_what_it_is(bare_kernel: Kernel) -> None:
    bare_kernel.good("%load_ext berlin_magic")
    run = bare_kernel.good("%%berlin\nHow do I stop a reply?")
    assert "Stop" in run.answer["text/plain"]
    assert "not a language model" in json.dumps(run.outputs[0])


def test_the_first_use_holds_nothing_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    longest = []
    for _ in range(3):  # the best of three: a machine that is busy with something else holds everything up
        kernel = Kernel(env=environment(tmp_path_factory))
        try:
            kernel.good(TICKING)
            kernel.good("%load_ext berlin_magic")
            kernel.good("await asyncio.sleep(0.05); gaps.clear()")
            kernel.good("%%berlin\nshow me a table")  # imports, starts a server and logs in
            longest.append(float(kernel.value("max(gaps)")))
        finally:
            kernel.close()
        if longest[-1] < LONGEST_GAP:
            break
    assert min(longest) < LONGEST_GAP, longest


@pytest.mark.long  # half a minute of questions
def test_different_questions_get_different_answers_that_quote_the_documentation(bare_kernel: Kernel) -> None:
    bare_kernel.good("%load_ext berlin_magic\nfrom berlin_magic import Conversation")
    answers = [bare_kernel.value(f"await Conversation().ask({question!r}, max_tokens=None)") for question in QUESTIONS]
    assert len(set(answers)) == len(QUESTIONS)
    assert all(".md" in answer for answer in answers)  # each names the page that it quotes
    refusal = bare_kernel.value("await Conversation().ask('What is the capital of France?')")
    assert "language model" in refusal and "connecting.md" in refusal  # what to do instead


def test_it_ends_with_a_kernel_that_is_killed(bare_kernel: Kernel) -> None:
    bare_kernel.good("%load_ext berlin_magic")
    port = port_of(bare_kernel)
    assert listens(port)
    bare_kernel.kill()
    end = time.monotonic() + 5
    while listens(port):
        assert time.monotonic() < end, "the embedded server outlives its kernel"
        time.sleep(0.05)


def test_unloading_ends_it_and_the_next_question_starts_another(bare_kernel: Kernel) -> None:
    bare_kernel.good("%load_ext berlin_magic")
    port = port_of(bare_kernel)
    bare_kernel.good("%unload_ext berlin_magic")
    assert not listens(port)
    bare_kernel.good("%load_ext berlin_magic")
    bare_kernel.good("%%berlin\nshow me a table")


def test_user_code_that_blocks_the_loop_does_not_stall_it(bare_kernel: Kernel) -> None:
    bare_kernel.good("%load_ext berlin_magic")
    port = port_of(bare_kernel)
    run = bare_kernel.good(
        f"import urllib.request\nopener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))\n"
        f"opener.open('http://127.0.0.1:{port}/api/config', timeout=5).status"
    )
    assert run.answer["text/plain"] == "200"  # asked by a cell that blocks the kernel's loop


@pytest.mark.parametrize("model", ["gpt-9", "gpt-4", "gpt-3.5-turbo"])
def test_a_model_that_is_not_connected_is_told_with_what_to_do(bare_kernel: Kernel, model: str) -> None:
    bare_kernel.good("%load_ext berlin_magic")
    run = bare_kernel.run(f"%%berlin -m {model}\nHello")
    assert run.reply["ename"] == "ModelUnknownError"
    assert "nothing is connected here but the built-in guide" in run.error
    assert "%berlin use ollama:llama3.2" in run.error and "%berlin models" in run.error
    assert len(run.error.splitlines()) < 5


def test_the_one_model_that_it_lists_is_the_one_that_answers(bare_kernel: Kernel) -> None:
    bare_kernel.good("%load_ext berlin_magic")
    assert "gpt" not in bare_kernel.good("%berlin models").stdout
    run = bare_kernel.good("%%berlin\nHow do I stop a reply?")
    assert json.dumps(run.outputs).count("berlin-guide") >= 1 and "gpt" not in json.dumps(run.outputs)
