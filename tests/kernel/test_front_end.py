"""What the kernel answers our JupyterLab extension."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from shells import new_shell

from berlin_magic.kernel import commands, front_end
from berlin_magic.kernel.command_output import CommandOutput
from berlin_magic.kernel.extension import load, unload
from berlin_magic.kernel.magics import BerlinMagics
from berlin_magic.messages import Text, Usage


@pytest.fixture
def magics(tmp_path, monkeypatch) -> BerlinMagics:
    monkeypatch.setenv("BERLIN_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("BERLIN_MODEL", "usual")
    shell = new_shell(database=str(tmp_path / "conversations.db"))
    load(shell)
    found: Any = shell.magics_manager.registry["BerlinMagics"]
    return found


async def answer(magics: BerlinMagics, question: str, *words: str) -> dict[str, Any]:
    await front_end.prepare(question, *words, shell=magics.shell)
    data, _ = magics.shell.display_formatter.format(front_end.take())
    found: dict[str, Any] = data["application/json"]
    return found


def asked(magics: BerlinMagics, prompt: str, *events: object, name: str = "", cell: str | None = None) -> None:
    magics.notebook.open()
    talk = magics.notebook.conversation(name)
    turn = talk.begin(prompt, cell=cell, run=prompt)
    for event in events:
        turn.take(event)
    talk.end(turn, "complete")


async def test_before_anything_is_asked_it_tells_the_wish_and_reads_no_file(magics, monkeypatch):
    monkeypatch.delitem(sys.modules, "berlin_magic.providers.resolve", raising=False)
    assert await answer(magics, "state") == {"provider": "", "model": "", "tokens": 0, "turns": 0}
    magics.model = "wanted"
    assert (await answer(magics, "state"))["model"] == "wanted"
    assert not magics.notebook.is_known
    assert await answer(magics, "history") == {"conversations": []}


async def test_it_tells_who_is_asked_and_counts_the_tokens_of_all_conversations_and_versions(magics):
    asked(magics, "One?", Text("1."), Usage(10, 2), cell="a")
    asked(magics, "One, again?", Text("1!"), Usage(20, 3), cell="a")
    asked(magics, "Apart?", Text("yes"), Usage(5, None), name="apart")
    await commands.run(magics, "")
    state = await answer(magics, "state")
    assert state == {"provider": "Berlin", "model": "usual", "tokens": 40, "turns": 2}


async def test_a_model_is_used_whatever_is_in_its_name(magics):
    name = "m'); import os; print(\"\\"
    assert (await answer(magics, "use", name))["model"]
    assert magics.model == name
    assert "is a provider" in (await answer(magics, "use", "openai"))["error"]


async def test_the_models_are_those_that_use_takes(magics, monkeypatch):
    async def models(context, _arguments):
        context.magics.listed = ("a", "openai:b")
        return CommandOutput("a")

    monkeypatch.setitem(commands.COMMANDS, "models", commands.Command("models", "List.", models))
    assert await answer(magics, "models") == {"models": ["a", "openai:b"], "used": ""}


async def test_a_server_that_does_not_answer_is_an_error_to_show(magics):
    assert set(await answer(magics, "models")) == {"error"}


async def test_the_history_has_marks_and_safe_html_of_the_beginning_of_each_reply(magics):
    asked(magics, "One?", Text("<b>1</b> " + "word " * 1000), cell="a")
    asked(magics, "Two?", Text("2"), cell="b")
    asked(magics, "One\u202e?", Text("1"), cell="a")
    [conversation] = (await answer(magics, "history"))["conversations"]
    first, second = conversation["turns"]
    assert "\u202e" not in first["question"]
    assert (first["cell"], first["marks"], first["stale"]) == ("a", ["2 versions"], False)
    assert (second["cell"], second["stale"]) == ("b", True)
    asked(magics, "Apart?", Text("<script>1</script>" + "word " * 1000), name="apart")
    apart = (await answer(magics, "history"))["conversations"][1]
    assert apart["name"] == "apart"
    [turn] = apart["turns"]
    assert "<script>" not in turn["html"] and "&lt;script&gt;" in turn["html"]
    assert 3900 < turn["rest"] < 4100


async def test_where_the_extension_is_not_loaded_the_question_finds_nothing(magics):
    unload(magics.shell)
    assert await answer(magics, "state") == {}
