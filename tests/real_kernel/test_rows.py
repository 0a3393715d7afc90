"""A question for every row in a real kernel: interrupted, asked again, stopped by a budget; and `map` in a cell."""

from __future__ import annotations

from browser.scripted_server import Reply
from real_kernel.conftest import Server
from real_kernel.rig import Kernel, Message, once

TABLE = "words = [f'word {number}' for number in range(40)]"
ASK = "%%berlin --each words -o found --concurrency 4\nSay {{ row }}"


def progressed(message: Message) -> bool:
    """Say whether some rows are there: the plain display of a front end without widgets says it."""
    shown = str(message.content.get("data", {}))
    return message.kind == "update_display_data" and " left" in shown


def test_an_interrupt_leaves_the_rows_that_have_arrived_and_the_rest_is_asked_by_the_next_run(
    kernel: Kernel, server: Server
) -> None:
    server.answers(Reply("Said.", seconds=0.4, pieces=2))
    kernel.good(TABLE)
    run = kernel.run(ASK, watch=once(kernel.interrupt, progressed))
    assert run.status == "error" and run.error.startswith("Interrupted; the replies that had arrived are stored")
    assert "· interrupted ·" in run.answer["text/markdown"]
    kept = int(kernel.value("sum(value is not None for value in found)"))
    asked = len(server.asked)
    assert 0 < kept < 40 and kept <= asked <= kept + 4
    assert kernel.value("len(found.errors)") == str(40 - kept)
    server.answers(Reply("Said."))
    run = kernel.good(ASK)
    stored = 40 - len(server.asked)
    assert kept <= stored <= kept + 4  # those that had just come are stored, too
    assert f"40 of 40 rows · {stored} from the store" in run.answer["text/plain"]
    assert run.outputs[0]["metadata"] == {}  # for a reader of the file it is no turn, and no broken one
    assert kernel.value("found.errors, len(found), _ is found") == "({}, 40, True)"


def test_map_in_a_cell_shows_its_progress_and_gives_its_rows(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("Said."))
    kernel.good(f"{TABLE}\nimport berlin_magic")
    run = kernel.good("await berlin_magic.map('Tell {{ row }}', words, concurrency=8)")
    shown = [output["data"]["text/plain"] for output in run.outputs]
    assert len(shown) == 2 and shown[0].startswith("40 of 40 rows") and shown[1] == "<Rows: 40 of 40 replies>"
    run = kernel.good("result = await berlin_magic.map(['Tell word 0'])", allow_stdin=False)
    assert len(run.outputs) == 1 and "1 from the store" in run.answer["text/plain"]


def test_an_interrupted_map_ends_its_cell_with_one_line(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("Said.", seconds=0.4, pieces=2))
    kernel.good(f"{TABLE}\nimport asyncio, berlin_magic")
    for call in ("await {}", "await asyncio.create_task({})"):  # in a task of the user's the kernel lives on, too
        asked = call.format(f"berlin_magic.map('{len(call)}: tell {{{{ row }}}}', words, concurrency=4)")
        run = kernel.run(f"found = 'as it was'\nfound = {asked}", watch=once(kernel.interrupt, progressed))
        assert run.status == "error"
        assert run.error == "Interrupted; the replies that had arrived are stored: run it again for the rest."
        assert "· interrupted ·" in run.answer["text/markdown"] and kernel.value("found") == "'as it was'"


def test_a_budget_stops_a_cell_and_the_kernel_goes_on(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("Said."))
    kernel.good(f"{TABLE}\n%config BerlinMagics.budget = '1 tokens/day'")
    run = kernel.run(ASK.replace("Say", "Whisper"))
    assert run.status == "error" and "BudgetError: This request was not sent" in run.error and server.asked == []
    assert "Spent or reserved of the budget" in kernel.good("%berlin cost").stdout
    kernel.good("%config BerlinMagics.budget = ''\n%config BerlinMagics.max_tokens = None")
    assert kernel.good("%%berlin\nHello").answer["text/plain"] == "Said."
