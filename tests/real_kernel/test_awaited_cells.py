"""A `%%berlin` cell is awaited: it streams, and everything else goes on meanwhile."""

from __future__ import annotations

import json

import pytest
from browser.scripted_server import Reply
from real_kernel.conftest import Server
from real_kernel.rig import LONGEST_GAP, TICKING, Kernel, Message

pytestmark = pytest.mark.kernel


def says(message: Message, text: str) -> bool:
    return message.kind in {"display_data", "update_display_data", "comm_msg"} and text in json.dumps(message.content)


def test_the_first_text_is_there_while_the_server_is_still_talking(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("alpha " + "beta " * 40 + "omega", seconds=1.5))
    complete_at_first_text: list[bool] = []

    def watch(message: Message) -> None:
        if says(message, "alpha") and not complete_at_first_text:
            complete_at_first_text.append(server.asked[0].complete)

    run = kernel.good("%%berlin\nGo on", watch=watch)
    assert complete_at_first_text == [False]
    assert run.answer["text/plain"].startswith("alpha beta") and run.answer["text/plain"].rstrip().endswith("omega")
    assert set(run.answer) == {"text/plain", "text/markdown"}


def test_the_users_own_tasks_go_on_meanwhile(kernel: Kernel, server: Server) -> None:
    kernel.good(TICKING)
    longest = []
    for _ in range(3):  # the best of three: a machine that is busy with something else holds everything up
        server.answers(Reply("word " * 100, seconds=1.0))
        kernel.good("gaps.clear()\nawait asyncio.sleep(0)")
        kernel.good("%%berlin\nGo on")
        count, gap = json.loads(kernel.value("[len(gaps), max(gaps)]"))
        assert count > 30
        longest.append(gap)
        if gap < LONGEST_GAP:
            break
    kernel.good("ticking.cancel();")
    assert min(longest) < LONGEST_GAP, longest


def test_cells_in_the_queue_run_after_it_in_order(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("first", seconds=0.5, pieces=5), Reply("second"))
    requests = [kernel.send(code) for code in ("%%berlin -o one\nOne", "print('between', one)", "%%berlin -o two\nTwo")]
    runs = [kernel.finish(request) for request in requests]
    assert [run.status for run in runs] == ["ok"] * 3
    assert runs[1].stdout == "between first\n"
    assert kernel.value("two") == "'second'"


def test_three_in_a_row_work(kernel: Kernel, server: Server) -> None:
    for number in range(3):
        server.answers(Reply(f"answer {number}"))
        assert kernel.good(f"%%berlin\nQuestion {number}").answer["text/plain"].strip() == f"answer {number}"


@pytest.mark.parametrize(
    "code",
    [
        "def ask():\n    get_ipython().run_cell_magic('berlin', '-o reply', 'Go')\nask()",
        "%%capture captured\n%%berlin -o reply\nGo",
        "%%time\n%%berlin -o reply\nGo",
        "for _ in range(1):\n    get_ipython().run_cell_magic('berlin', '-o reply', 'Go')",
        "get_ipython().run_cell('%%berlin -o reply\\nGo');",
    ],
    ids=["in a function", "under capture", "under time", "in a loop", "run_cell"],
)
def test_where_nothing_can_be_awaited_it_blocks_and_works(kernel: Kernel, server: Server, code: str) -> None:
    server.answers(Reply("a reply", seconds=0.2, pieces=4))
    kernel.good("reply = None")
    for _ in range(2):
        kernel.good(code)
        assert kernel.value("reply") == "'a reply'"
    assert kernel.good("%%berlin\nAnd awaited again").answer["text/plain"].strip() == "a reply"


@pytest.mark.parametrize("runner", ["off", "sync"])
def test_without_asyncio_to_await_on_it_blocks_and_works(kernel: Kernel, server: Server, runner: str) -> None:
    kernel.good(f"%autoawait {runner}")
    try:
        assert kernel.good("%%berlin\nGo").answer["text/plain"].strip() == "The answer is 42."
    finally:
        kernel.good("%autoawait asyncio")


def test_captured_output_is_the_final_one(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("**kept**"))
    run = kernel.good("%%capture captured\n%%berlin\nGo")
    assert run.outputs == []
    assert kernel.value("[sorted(o.data) for o in captured.outputs]").count("text/markdown") == 1
    assert "kept" in kernel.value("captured.outputs[0].data['text/plain']")


def test_the_users_tasks_go_on_while_a_nested_run_blocks_the_cell(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("word " * 20, seconds=0.5))
    kernel.good(
        "import asyncio\nticks = 0\n"
        "async def tick():\n"
        "    global ticks\n"
        "    while True:\n"
        "        await asyncio.sleep(0.01); ticks += 1\n"
        "ticking = asyncio.ensure_future(tick())"
    )
    kernel.good("before = ticks\nget_ipython().run_cell_magic('berlin', '', 'Go')\nduring = ticks - before")
    kernel.good("ticking.cancel();")
    assert int(kernel.value("during")) > 10


def test_the_synchronous_api_works_in_a_cell(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("from code"))
    assert kernel.value("__import__('berlin_magic').conversation().ask_sync('Go')") == "'from code'"
    assert kernel.value("await __import__('berlin_magic').conversation().ask('Go')") == "'from code'"


def test_a_magic_in_a_branch_at_the_top_level_is_awaited(kernel: Kernel, server: Server) -> None:
    run = kernel.good("if True:\n    %berlin history\nx = 1")
    assert run.stdout == "Nothing has been asked yet.\n"


def test_without_a_front_end_that_answers_there_is_the_final_output_alone(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("plain", seconds=0.3))
    run = kernel.good("%%berlin\nGo", allow_stdin=False)
    kinds = [message.kind for message in run.messages if message.kind not in {"status", "execute_input"}]
    assert kinds == ["display_data"]
    assert run.answer["text/plain"].strip() == "plain"
