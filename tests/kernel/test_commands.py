"""The words after `%berlin`."""

from __future__ import annotations

import re
from typing import Any

import pytest
from IPython.core.error import UsageError
from shells import new_shell

from berlin_magic.kernel import commands
from berlin_magic.kernel.commands import named
from berlin_magic.kernel.extension import load
from berlin_magic.kernel.magics import BerlinMagics


@pytest.fixture
def magics() -> BerlinMagics:
    shell = new_shell()
    load(shell)
    found: Any = shell.magics_manager.registry["BerlinMagics"]
    assert isinstance(found, BerlinMagics)
    return found


async def told(magics: BerlinMagics, line: str) -> str:
    return (await commands.run(magics, line)).text


async def test_the_help_names_every_command(magics: BerlinMagics) -> None:
    text = await told(magics, "help")
    there = set(re.findall(r"%berlin (\w+)", text))
    assert {*commands._COMMANDS, *commands.COMMANDS, "continue"} - {""} == there


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("histroy", "Did you mean history?"),
        ("hlep", "Did you mean help?"),
        ("contniue", "Did you mean continue?"),
        ("qqqq", "`%berlin help` lists them."),
        ("\x1b[31mred", "has no command"),
        ("x" * 9999, "has no command"),
        ("use", "which one?"),
        ("-c", "which conversation?"),
        ("stop 7", "takes a number"),
        ("stop \u00b2", "takes a number"),
    ],
)
async def test_a_word_that_is_wrong_is_told_in_one_short_line(magics: BerlinMagics, line: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        await commands.run(magics, line)
    message = str(raised.value)
    assert words in message
    assert len(message) < 200 and "\x1b" not in message and "\n" not in message


async def test_the_model_that_is_chosen_is_the_one_of_the_conversation(magics: BerlinMagics) -> None:
    assert await told(magics, "use llama3.2") == "From here on the model is llama3.2."
    assert magics.model == magics.conversation.model == "llama3.2"


async def test_a_provider_is_chosen_with_its_model(magics: BerlinMagics) -> None:
    assert await told(magics, "use ollama:qwen2.5:7b") == "From here on the model is qwen2.5:7b of Ollama."
    assert magics.conversation.model == "ollama:qwen2.5:7b"
    with pytest.raises(UsageError, match="is a provider"):
        await told(magics, "use ollama")
    assert magics.model == "ollama:qwen2.5:7b"


async def test_the_state_says_which_provider_is_asked_and_why(
    magics: BerlinMagics, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told(magics, "use ollama:llama3.2")
    text = await told(magics, "")
    assert "Ollama (the model begins with ollama:)" in text
    assert "http://127.0.0.1:11434/v1" in text and "model         llama3.2" in text
    await told(magics, "use gpt-4")
    monkeypatch.setenv("OPENAI_API_KEY", "canary-key")
    text = await told(magics, "")
    assert "OpenAI (OPENAI_API_KEY)" in text and "https://api.openai.com/v1" in text and "canary" not in text


async def test_a_provider_that_is_set_is_asked_at_the_address_that_is_set(magics: BerlinMagics) -> None:
    magics.provider, magics.url = "vllm", "http://127.0.0.1:9/v1"
    text = await told(magics, "")
    assert "vLLM (the setting `provider`)" in text and "http://127.0.0.1:9/v1" in text
    await told(magics, "use ollama:m")
    assert "http://127.0.0.1:11434/v1" in await told(magics, "")


async def test_a_system_prompt_is_set_shown_and_taken_away(magics: BerlinMagics) -> None:
    await told(magics, "system Answer in French.")
    assert magics.conversation.system == "Answer in French."
    assert "Answer in French." in await told(magics, "system")
    await told(magics, 'system ""')
    assert magics.conversation.system == ""


async def test_a_reset_says_how_much_it_forgot(magics: BerlinMagics) -> None:
    for _ in range(2):
        magics.conversation.begin("Hello").finish = "complete"
    assert "2 turns" in await told(magics, "reset")
    assert len(magics.conversation) == 0
    assert "Nothing" in await told(magics, "history")


async def test_with_nothing_in_the_background_that_is_said(magics: BerlinMagics) -> None:
    assert "--bg" in await told(magics, "jobs")
    assert await told(magics, "stop") == await told(magics, "stop all") == "Nothing is running."
    assert await told(magics, "wait") == "0 replies arrived."


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("history", ("", "history")),
        ("  use  x ", ("", "use  x")),
        ("-c a history", ("a", "history")),
        ("--conversation a", ("a", "")),
        ("", ("", "")),
    ],
)
def test_a_line_can_name_its_conversation(line: str, expected: tuple[str, str]) -> None:
    assert named(line) == expected
