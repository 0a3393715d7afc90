"""Cells as people write them: a comment above, a question on the magic's line, a command with a question mark."""

from __future__ import annotations

import pytest
from browser.scripted_server import Reply
from real_kernel.conftest import Server
from real_kernel.rig import Kernel

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(
    "code",
    [
        "# to the teacher\n\n%%berlin\nWhat's a list?",
        "  %%berlin\n  What's a list?",
        "%%Berlin\nWhat's a list?",
        "%%berlin What's a list?",
        "%%berlin -m scripted What's a list?\n",
        "%%time\n# below it\n%%Berlin What's a list?",
        "%%capture\n  %%berlin What's a list?",
        "get_ipython().run_cell_magic('berlin', '', \"What's a list?\")",
    ],
)
def test_a_question_is_sent_as_it_was_meant(kernel: Kernel, server: Server, code: str) -> None:
    server.answers(Reply("A sequence."))
    kernel.good(code)
    assert [asked.body["prompt"] for asked in server.asked] == ["What's a list?"]


def test_a_question_goes_on_below_its_first_line(kernel: Kernel, server: Server) -> None:
    kernel.good("%%berlin --once What is wrong here:\n    x = = 1")
    assert server.asked[-1].body["prompt"] == "What is wrong here:\n    x = = 1"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("%berlin what is this", "%%berlin\nwhat is this"),
        ("%berlin What is this?", "%%berlin\nWhat is this?"),
        ("x = 1\n%berlin what's this??", "%%berlin\nwhat's this??"),
        ("%Berlin What is this?", "%%berlin\nWhat is this?"),
        ("%%time\n%berlin What is this?", "%%berlin\nWhat is this?"),
    ],
)
def test_a_line_that_is_not_a_command_is_shown_as_a_cell_and_never_sent(
    kernel: Kernel, server: Server, code: str, told: str
) -> None:
    run = kernel.run(code)
    assert told in run.stderr and "nothing was sent" in run.stderr
    assert not server.asked and not server.logins


def test_help_on_the_magic_is_ipythons_own(kernel: Kernel, server: Server) -> None:
    for code, words in (("%%berlin?", "--max-tokens"), ("%berlin?", "carry out a command")):
        (page,) = kernel.good(code).reply["payload"]
        assert words in page["data"]["text/plain"]
    assert "MODEL" in kernel.good("%berlin use?").stdout


def test_a_reply_is_shown_again_where_it_is_asked_for_and_counts_once(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("The **first**."), Reply("The second."), Reply("The third."))
    kernel.good("%%berlin\nOne?", cell="a")
    kernel.good("%%berlin\nTwo?", cell="b")
    run = kernel.good("%berlin show 1", cell="c")
    (output,) = run.outputs
    assert output["metadata"] == {}
    assert output["data"]["text/plain"] == "The **first**." and "The **first**." in output["data"]["text/markdown"]
    assert "<strong>first</strong>" in output["data"]["text/html"]
    assert kernel.good("%berlin show", cell="c").stdout == "The second.\n"
    kernel.good("%%berlin\nThree?", cell="d")
    assert server.asked[-1].body["prompt"].count("One?") == 1


@pytest.mark.parametrize("command", ["", "help", "history", "providers", "models", "versions", "conversations", "undo"])
def test_what_a_command_shows_is_html_and_text_in_a_notebook(kernel: Kernel, server: Server, command: str) -> None:
    server.answers(Reply("An answer."))
    kernel.good("%%berlin\nA question")
    run = kernel.good(f"%berlin {command}")
    (output,) = run.outputs
    assert {"text/html", "text/plain"} == set(output["data"])
    assert not [message for message in run.messages if message.kind == "stream"]


def test_a_run_that_nobody_watches_waits_for_a_reply_in_the_background(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("in the background", seconds=0.5, pieces=5))
    run = kernel.good("%%berlin --bg -o reply\nGo on", allow_stdin=False)
    (output,) = run.outputs
    assert output["data"]["text/plain"] == "in the background" and output["metadata"]["berlin"]["finish"] == "complete"
    assert kernel.value("reply") == "'in the background'"
    assert "No reply is in the background" in kernel.good("%berlin jobs", allow_stdin=False).stdout


def test_a_run_that_nobody_watches_fails_where_a_reply_in_the_background_does(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("half", cut=True, pieces=1))
    run = kernel.run("%%berlin --bg\nGo on", allow_stdin=False)
    assert run.status == "error" and run.outputs[0]["data"]["text/plain"].startswith("half")
