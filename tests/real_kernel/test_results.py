"""What comes of a reply besides its output: `Out` and `_`, `-o`, the next cell, values of a type."""

from __future__ import annotations

import pytest
from browser.scripted_server import Reply
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from real_kernel.conftest import PASSWORD, Server
from real_kernel.rig import ROOT, Kernel, Run, once

pytestmark = pytest.mark.kernel

TYPES = """\
import dataclasses
from typing import Literal
@dataclasses.dataclass
class Invoice:
    number: str
    total: float
Kind = Literal["spam", "ham"]
"""
FITS, MISFIT = '{"number": "A-1", "total": 3.5}', '{"number": "A-1", "total": "three"}'
STOP_AT_THE_SECOND = """\
import asyncio
magics = get_ipython().magics_manager.registry["BerlinMagics"]
async def stop():
    while {one.turn.reply for one in magics.replies} != {'{"number": "A-'}:
        await asyncio.sleep(0.01)
    magics.stop_all()  # as the button does
stopping = asyncio.ensure_future(stop())
"""
CODE = "Try:\n\n```python\nx = 1\n```\n\nThen:\n\n```bash\nls\n```\n\n```python\ny = 2\n```\n"


def next_inputs(run: Run) -> list[str]:
    return [one["text"] for one in run.reply.get("payload", []) if one["source"] == "set_next_input"]


def test_the_value_of_an_asking_cell_is_its_reply_and_is_shown_once(kernel: Kernel, server: Server) -> None:
    kernel.good("'before'")
    run = kernel.good("%%berlin -o reply\nQuestion")
    number = run.reply["execution_count"]
    assert run.answer["text/plain"] == "The answer is 42."
    assert kernel.value("(_ == reply, __ == 'before', type(_).__name__)") == "(True, True, 'Reply')"
    assert kernel.value(f"Out[{number}] is reply is _{number}") == "True"
    assert kernel.value("(reply.model, reply.finish, reply.turn is __import__('berlin_magic').conversation()[-1])") == (
        "('gpt-3.5-turbo', 'complete', True)"
    )


def test_a_cell_that_fails_or_shows_a_command_has_no_value(kernel: Kernel, server: Server) -> None:
    kernel.good("reply = 'before'; _ = 0; del _\n'last'")
    server.answers(Reply(error={"code": 1, "data": [], "message": "no"}, status=500))
    run = kernel.run("%%berlin -o reply\nQuestion")
    assert run.status == "error"
    kernel.good("%berlin history")
    assert kernel.value("(_, reply)") == "('last', 'before')"


@pytest.mark.parametrize(
    "cell",
    [
        "%%time\n%%berlin -o reply\nQuestion",
        "def ask():\n    get_ipython().run_cell_magic('berlin', '-o reply', 'Question')\nask()",
        "for _n in range(2):\n    get_ipython().run_cell_magic('berlin', '-o reply', 'Question')",
    ],
)
def test_a_cell_that_can_not_be_awaited_has_it_too(kernel: Kernel, server: Server, cell: str) -> None:
    run = kernel.good(cell)
    assert {output["data"]["text/plain"] for output in run.outputs} == {"The answer is 42."}
    assert not [message for message in run.messages if message.kind == "execute_result"]
    assert kernel.value(f"(_ is reply, Out[{run.reply['execution_count']}] is reply)") == "(True, True)"


def test_a_background_reply_is_the_value_of_its_own_cell(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("later", hangs=False, seconds=0.3))
    run = kernel.good("%%berlin --bg -o reply\nQuestion")
    kernel.good("'meanwhile'")
    kernel.good("%berlin wait")
    assert kernel.value(f"(Out[{run.reply['execution_count']}] is reply, reply, _)") == "(True, 'later', 'meanwhile')"


def test_what_code_asks_is_a_reply_and_is_shown_only_if_it_says_so(kernel: Kernel, server: Server) -> None:
    kernel.good("import berlin_magic; talk = berlin_magic.conversation()")
    run = kernel.good("await talk.ask('Question')")
    assert run.answer["text/plain"] == "'The answer is 42.'"
    for cell in (
        "await talk.ask('Question', show=True)",
        "talk.ask_sync('Question', show=True)",
        "async def ask():\n    return await talk.ask('Question', show=True)\nawait ask()",
    ):
        run = kernel.good(cell)
        assert run.answer["text/plain"] == "The answer is 42.", cell
        assert run.metadata["finish"] == "complete"
        assert kernel.value("type(_).__name__") == "'Reply'"
    run = kernel.good("for word in ('a', 'b'):\n    await talk.ask(word, show=True)\nprint('end')")
    assert [output["data"]["text/plain"] for output in run.outputs] == ["The answer is 42."] * 2
    kernel.good("reply = await talk.ask('Question', show=True)")
    assert kernel.value("reply") == "'The answer is 42.'"  # as any value
    kernel.good(TYPES)
    server.answers(Reply(FITS))
    run = kernel.good("await talk.ask('Question', as_=Invoice, show=True)")
    assert run.answer["text/plain"] == FITS
    assert kernel.value("_") == "Invoice(number='A-1', total=3.5)"
    server.answers(Reply("ham"))
    assert len(kernel.good("await talk.ask('Question', as_=Kind, show=True)").outputs) == 1
    assert kernel.value("'ham'") == "'ham'"


def test_a_typed_reply_is_a_value_and_is_shown_readably(kernel: Kernel, server: Server) -> None:
    kernel.good(TYPES)
    server.answers(Reply(f"Here: {FITS}"))
    run = kernel.good("%%berlin --as Invoice -o invoice\nRead this.")
    assert run.answer["text/plain"] == f"Here: {FITS}"
    shown = run.answer["text/markdown"]
    assert "\n\nHere:\n\n<div " in shown and '\n\n```json\n{\n  "number": "A-1",\n  "total": 3.5\n}\n```' in shown
    assert kernel.value("(invoice, _ is invoice)") == "(Invoice(number='A-1', total=3.5), True)"
    prompt = server.asked[-1].body["prompt"]
    assert "Read this." in prompt
    assert "It has to fit this JSON schema:" in prompt
    server.answers(Reply("ham"))
    kernel.good("%%berlin --as Kind -o kind\nWhich?")
    assert kernel.value("kind") == "'ham'"
    server.answers(Reply(f"[{FITS}]"))
    kernel.good("%%berlin --as list[Invoice] -o invoices\nRead these.")
    assert kernel.value("invoices") == "[Invoice(number='A-1', total=3.5)]"
    kernel.good("%%berlin --as list[Invoice] -f df -o frame\nRead these.")
    assert kernel.value("frame.shape") == "(1, 2)"
    kernel.good("%%berlin --as list[Invoice] -f json -o plain\nRead these.")
    assert kernel.value("plain") == "[{'number': 'A-1', 'total': 3.5}]"
    kernel.good("%%berlin -f df -o frame\nRead these.")
    assert kernel.value("frame.loc[0, 'total']").endswith("3.5)") or kernel.value("frame.loc[0, 'total']") == "3.5"


def test_a_reply_that_does_not_fit_is_asked_for_once_more(kernel: Kernel, server: Server) -> None:
    kernel.good(TYPES)
    server.answers(Reply(MISFIT), Reply(FITS))
    run = kernel.good("%%berlin --as Invoice -o invoice\nRead this.", cell="repaired")
    first, second = run.outputs
    assert "does not fit Invoice: total: Input should be a valid number" in first["data"]["text/markdown"]
    assert "asked again" in second["data"]["text/markdown"]
    assert kernel.value("invoice.total") == "3.5"
    assert "total: Input should be" in server.asked[-1].body["prompt"]
    again = kernel.good("%%berlin --as Invoice -o invoice --replay\nRead this.", cell="repaired")
    assert len(server.asked) == 2
    assert len(again.outputs) == 2
    server.answers(Reply(MISFIT), Reply(FITS))
    request = kernel.send("%%berlin --bg --as Invoice -o later\nRead this, too.")
    kernel.finish(request)
    kernel.good("%berlin wait")
    assert kernel.value("later.total") == "3.5"


@pytest.mark.parametrize("ending", ["an interrupt", "Stop"])
def test_a_repair_that_is_ended_keeps_both_replies_and_the_variable_and_the_kernel_goes_on(
    kernel: Kernel, server: Server, ending: str
) -> None:
    kernel.good(f"{TYPES}\ninvoice = 'as it was'\n%berlin reset")
    server.answers(Reply(MISFIT), Reply('{"number": "A-', pieces=1, hangs=True))
    if ending == "Stop":
        kernel.good(STOP_AT_THE_SECOND)
    begun = lambda message: "asked again" in str(message.content) and "A-" in str(message.content)  # noqa: E731
    watch = once(kernel.interrupt, begun) if ending == "an interrupt" else None
    run = kernel.run("%%berlin --as Invoice -o invoice\nRead this.", watch=watch)
    assert run.status == "error" and len(server.asked) == 2
    first, second = run.outputs
    assert first["data"]["text/plain"] == MISFIT and second["data"]["text/plain"].startswith('{"number": "A-')
    assert "asked again" in second["data"]["text/markdown"]
    if ending == "Stop":
        assert run.error.startswith("ReplyFormatError: The reply does not fit Invoice")
        assert "invoice is as it was" in run.error and "Traceback" not in run.error
    else:
        assert run.error.splitlines() == ["Interrupted; what had arrived is kept, in the conversation too."]
    kept = kernel.value("[(turn.finish, turn.reply[:13]) for turn in __import__('berlin_magic').conversation()]")
    assert kept == repr([("complete", MISFIT[:13]), ("stopped", '{"number": "A-'[:13])])
    assert kernel.value("invoice") == "'as it was'"
    server.answers(Reply(FITS))
    kernel.good("%%berlin --as Invoice -o invoice\nRead this, too.")
    assert kernel.value("invoice.total") == "3.5" and len(server.asked) == 1


def test_what_never_fits_is_kept_and_leaves_the_variable_as_it_was(kernel: Kernel, server: Server) -> None:
    kernel.good(f"{TYPES}\ninvoice = 'as it was'\n'last'")
    server.answers(Reply(MISFIT))
    run = kernel.run("%%berlin --as Invoice -o invoice\nRead this.")
    assert run.status == "error"
    assert run.error.startswith(
        "ReplyFormatError: The reply does not fit Invoice: total: Input should be a valid number"
    )
    assert "invoice is as it was" in run.error
    assert "Traceback" not in run.error
    assert [output["data"]["text/plain"] for output in run.outputs] == [MISFIT] * 2
    assert kernel.value("(invoice, _)") == "('as it was', 'last')"
    assert kernel.value("len(__import__('berlin_magic').conversation())") == "2"
    once = kernel.run("%%berlin --once --as Invoice\nRead this.")
    assert "The replies are kept." in once.error and "in the conversation" not in once.error
    run = kernel.run("await __import__('berlin_magic').conversation().ask('Read this.', as_=Invoice)")
    assert "ReplyFormatError" in run.error
    asked = len(server.asked)
    for line, said in (
        ("--as Nothing", "NameError"),
        ("--as 3", "which is not a type"),
        ("-f code --as Invoice", "go together"),
        ("-f code --bg", "go together"),
    ):
        assert said in (kernel.run(f"%%berlin {line}\nRead this.").error or kernel.run(f"%%berlin {line}\nX").stderr)
    assert len(server.asked) == asked


def test_code_goes_into_the_next_cell_and_is_not_put_there_twice(kernel: Kernel, server: Server) -> None:
    server.answers(Reply(CODE))
    run = kernel.good("%%berlin -f code\nQuestion", cell="asking")
    assert next_inputs(run) == ["x = 1\n\ny = 2"]
    assert "code in the next cell" in run.answer["text/markdown"]
    again = kernel.good("%%berlin -f code\nQuestion", cell="asking")
    assert next_inputs(again) == []
    assert "same as before" in again.answer["text/markdown"]
    server.answers(Reply("```python\nz = 3\n```"))
    changed = kernel.good("%%berlin -f code\nQuestion", cell="asking")
    assert next_inputs(changed) == ["z = 3"]
    assert "can&#39;t replace" in changed.answer["text/markdown"] or "can't replace" in changed.answer["text/markdown"]
    server.answers(Reply("No code."))
    none = kernel.good("%%berlin -f code\nQuestion", cell="asking")
    assert next_inputs(none) == []
    assert "no Python code in the reply" in none.answer["text/markdown"]
    assert kernel.run("z").status == "error"


def test_each_block_of_a_reply_has_its_text_and_its_cell(kernel: Kernel, server: Server) -> None:
    server.answers(Reply(CODE))
    kernel.good("%%berlin\nQuestion")
    listed = kernel.good("%berlin code").stdout
    assert listed.splitlines()[:2] == ["1 python", "x = 1"]
    assert "2 bash" in listed
    assert kernel.good("%berlin code 2").stdout == "ls\n"
    assert next_inputs(kernel.good("%berlin insert 3")) == ["y = 2"]
    assert next_inputs(kernel.good("%berlin insert")) == ["x = 1\n\ny = 2"]
    assert "no code block 9" in kernel.run("%berlin insert 9").stderr + kernel.run("%berlin insert 9").error
    kernel.good("%berlin reset")
    assert "no code" in kernel.good("%berlin code").stdout.lower()


async def test_a_run_without_a_front_end_says_where_the_code_is(server: Server, monkeypatch, tmp_path) -> None:
    for name, value in (
        ("BERLIN_URL", server.url),
        ("BERLIN_ACCOUNT", "tester"),
        ("BERLIN_PASSWORD", PASSWORD),
        ("IPYTHONDIR", str(tmp_path)),
        ("BERLIN_DATABASE", str(tmp_path / "c.db")),
        ("BERLIN_STATE_DIR", str(tmp_path / "state")),
        ("PYTHONPATH", str(ROOT)),
    ):
        monkeypatch.setenv(name, value)
    server.answers(Reply(CODE))
    notebook = new_notebook(
        cells=[new_code_cell("%load_ext berlin_magic"), new_code_cell("%%berlin -f code\nQuestion")]
    )
    await NotebookClient(notebook, timeout=60, kernel_name="python3").async_execute()
    (output,) = notebook.cells[1].outputs
    assert "nobody is there to put the code into a cell" in output.data["text/markdown"]
