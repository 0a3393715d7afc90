"""What questions cost: on the status line, in `%berlin cost`, and against a budget."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from completions import DONE, step, usage
from scripted import HEAD, ScriptedServer, reply
from shells import new_shell
from traitlets import TraitError

from berlin_magic.errors import BudgetError, IncompleteReplyError, ServerError
from berlin_magic.kernel.magics import BerlinMagics

CHAT = "/v1/chat/completions"
SAID = [HEAD, step("Yes.") + step(finish="stop") + usage(100, 50) + DONE]


@pytest.fixture
def magics(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> BerlinMagics:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    monkeypatch.setenv("BERLIN_MODEL", "openai:m")
    server.on(CHAT, SAID)
    return loaded()


def loaded() -> BerlinMagics:
    shell = new_shell()
    shell.run_line_magic("load_ext", "berlin_magic")
    return shell.magics_manager.registry["BerlinMagics"]  # type: ignore[no-any-return]


async def cost(magics: BerlinMagics, capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """Return the numbers that `%berlin cost` shows, by the beginning of their line."""
    capsys.readouterr()
    await magics.awaited_line("cost")
    lines = capsys.readouterr().out.splitlines()
    return {line.split("  ")[0]: line.split("  ")[1:] for line in lines}


def numbers(row: list[str]) -> list[str]:
    return [cell.strip() for cell in row if cell.strip()]


async def test_turn_conversation_notebook_and_day_are_summed(
    magics: BerlinMagics, capsys: pytest.CaptureFixture[str]
) -> None:
    magics.prices = {"m": "10 20 EUR"}
    await magics.awaited_cell("", "One?")
    await magics.awaited_cell("-c other", "Two?")
    await magics.awaited_cell("--once", "Three?")
    await loaded().awaited_cell("", "In another notebook, without a price?")
    told = await cost(magics, capsys)
    assert numbers(told["last turn"]) == numbers(told["conversation"]) == ["1", "100", "50", "0.0020 EUR"]
    assert numbers(told["notebook"]) == ["3", "300", "150", "0.0060 EUR"]
    assert numbers(told["today"]) == ["4", "400", "200", "0.0060 EUR + ?"]
    assert any("No price is known for 1 request of today" in line for line in told)


async def test_the_status_line_has_the_cost_of_a_reply(magics: BerlinMagics) -> None:
    magics.prices = {"openai:m": "10 20 EUR"}
    await magics.awaited_cell("", "One?")
    assert magics.conversation[-1].cost == "0.0020 EUR"


async def test_a_request_that_was_refused_costs_nothing_and_one_that_was_cut_what_had_come(
    magics: BerlinMagics, server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    magics.budget = "100000 tokens/notebook"
    server.on(CHAT, [reply(400, b'{"error": {"message": "no"}}')])
    with pytest.raises(ServerError):
        await magics.awaited_cell("", "One?")
    assert numbers((await cost(magics, capsys))["notebook"]) == ["0", "0", "0", "0"]
    server.on(CHAT, [HEAD, step("x" * 400)])
    with pytest.raises(IncompleteReplyError):
        await magics.awaited_cell("", "Two?")
    assert numbers((await cost(magics, capsys))["notebook"])[:3] == ["1", "5", "100"]


@pytest.mark.parametrize(("budget", "asked"), [("400 tokens/notebook", 2), ("0.0045 EUR/day", 2), ("1 tokens/day", 0)])
async def test_a_budget_stops_before_the_request_that_would_break_it(
    magics: BerlinMagics, server: ScriptedServer, budget: str, asked: int
) -> None:
    magics.prices = {"m": "10 20 EUR"}
    magics.budget = budget
    for _ in range(asked):
        await magics.awaited_cell("--once --max-tokens 50", "x" * 400)
    with pytest.raises(BudgetError, match="This request was not sent: it may cost"):
        await magics.awaited_cell("--once --max-tokens 100", "x" * 400)
    assert len(server.to(CHAT)) == asked
    assert "notebook" not in budget or magics.notebook.costs.used() == "300 tokens of 400 tokens/notebook"
    magics.budget = ""
    await magics.awaited_cell("--once", "x" * 400)


async def test_a_budget_of_a_day_counts_the_other_notebooks_and_begins_anew_at_midnight(
    magics: BerlinMagics, server: ScriptedServer
) -> None:
    await loaded().awaited_cell("", "x" * 400)
    magics.budget, magics.max_tokens = "200 tokens/day", 10
    with pytest.raises(BudgetError, match="150 tokens of the budget of 200 tokens/day"):
        await magics.awaited_cell("", "x" * 400)
    magics.notebook.costs._clock = lambda: time.time() + 86_400
    await magics.awaited_cell("", "x" * 400)
    assert len(server.to(CHAT)) == 2


async def test_a_part_of_a_conversation_is_paid_by_the_same_budget(
    magics: BerlinMagics, server: ScriptedServer
) -> None:
    await magics.awaited_cell("", "One?")
    magics.budget = "1 tokens/notebook"
    for talk in (magics.conversation, magics.conversation[:1], magics.conversation.fork()):
        with pytest.raises(BudgetError):
            await talk.ask("Two?")
    assert len(server.to(CHAT)) == 1


CORRECTED = {
    "check": (
        '--check "f(2) == 4" --rounds 1',
        "```python\ndef f(x): return 5\n```",
        "```python\ndef f(x): return 4\n```",
    ),
    "type": ("--as Number", "five", "5"),
}


@pytest.mark.parametrize(("line", "wrong", "right"), CORRECTED.values(), ids=CORRECTED)
async def test_a_correction_is_paid_and_stopped_as_every_question(
    magics: BerlinMagics, server: ScriptedServer, capsys: pytest.CaptureFixture[str], line: str, wrong: str, right: str
) -> None:
    def said(text: str) -> list[bytes]:
        return [HEAD, step(text) + step(finish="stop") + usage(100, 50) + DONE]

    magics.shell.user_ns["Number"] = int
    server.on(CHAT, said(wrong), said(right))
    magics.budget = "150 tokens/notebook"
    with pytest.raises(BudgetError, match="150 tokens of the budget of 150 tokens/notebook"):
        await magics.awaited_cell(f"{line} -o number --max-tokens 50", "Five?")
    assert len(server.to(CHAT)) == 1 and "number" not in magics.shell.user_ns
    server.on(CHAT, said(wrong), said(right))
    magics.budget = "1000 tokens/notebook"
    await magics.awaited_cell(f"{line} -o number --max-tokens 50", "Five, please?")
    assert len(server.to(CHAT)) == 3 and "number" in magics.shell.user_ns
    assert numbers((await cost(magics, capsys))["notebook"])[:3] == ["3", "300", "150"]


async def test_without_a_database_this_kernel_counts_for_itself(magics: BerlinMagics, tmp_path: Path) -> None:
    magics.history = False
    magics.budget, magics.max_tokens = "200 tokens/day", 10
    await magics.awaited_cell("", "x" * 400)
    with pytest.raises(BudgetError):
        await magics.awaited_cell("", "x" * 400)


async def test_a_dry_run_says_what_the_question_may_cost(
    magics: BerlinMagics, capsys: pytest.CaptureFixture[str]
) -> None:
    magics.prices, magics.budget = {"m": "10 20 EUR"}, "1 EUR/day"
    await magics.awaited_cell("--dry-run --max-tokens 1000", "x" * 400)
    out = capsys.readouterr().out
    assert "it costs at most 0.0210 EUR (an estimate)" in out and "0.00 EUR of 1.00 EUR/day are spent" in out


@pytest.mark.parametrize(("name", "value"), [("budget", "2 USD"), ("budget", "much"), ("prices", {"m": "cheap"})])
def test_a_setting_that_can_not_be_read_is_refused(magics: BerlinMagics, name: str, value: object) -> None:
    with pytest.raises(TraitError, match=r"is not a (budget|price)"):
        setattr(magics, name, value)
