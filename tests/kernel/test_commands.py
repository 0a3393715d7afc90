"""The words after `%berlin`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from gguf_files import model_file
from IPython.core.error import UsageError
from shells import new_shell

from berlin_magic.errors import NotConfiguredError
from berlin_magic.kernel import commands
from berlin_magic.kernel.commands import COMMANDS, refuse_command, split_conversation
from berlin_magic.kernel.extension import load
from berlin_magic.kernel.magics import BerlinMagics
from berlin_magic.messages import Text
from berlin_magic.providers.local import download
from berlin_magic.providers.local.models import SMALL


@pytest.fixture
def magics() -> BerlinMagics:
    shell = new_shell()
    load(shell)
    found: Any = shell.magics_manager.registry["BerlinMagics"]
    assert isinstance(found, BerlinMagics)
    return found


async def told(magics: BerlinMagics, line: str) -> str:
    return (await commands.run(magics, line)).text


async def test_the_help_names_every_command_as_text_and_as_a_table(magics: BerlinMagics) -> None:
    output = await commands.run(magics, "help")
    for name in filter(None, COMMANDS):
        assert len(re.findall(rf"^%berlin {name}\b", output.text, re.MULTILINE)) == 1
        assert re.search(rf"<td [^>]*><code>%berlin {name}\b", output.html)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("histroy", "Did you mean `%berlin history`?"),
        ("hlep", "Did you mean `%berlin help`?"),
        ("contniue", "Did you mean `%berlin continue`?"),
        ("ues gpt-4", "Did you mean `%berlin use gpt-4`?"),
        ("-c a histroy", "Did you mean `%berlin history`?"),
        ("use", "missing: MODEL; `%berlin models` lists them"),
        ("-c", "which conversation?"),
        ("-c a models", "has no option -c"),
        ("stop 7", "`%berlin jobs` shows the numbers"),
        ("stop \u00b2", "a number of `%berlin jobs`, or all"),
        ("drop", "missing: N; `%berlin history` shows the numbers"),
        ("drop it", "N is a number from 1 on, not 'it'"),
        ("undo 0", "N is a number from 1 on, not '0'"),
        ("versions 1 sohw 1", "invalid choice: 'sohw'"),
        ("conversations al", "invalid choice: 'al'"),
        ("export", "missing: FILE"),
        ("import a.json b.json", "'b.json' is one word too many"),
        ("resume", "missing: ID; `%berlin conversations all` lists them"),
        ("export 'a", "A quote is not closed"),
    ],
)
async def test_a_word_that_is_wrong_is_told_in_one_short_line(magics: BerlinMagics, line: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        await commands.run(magics, line)
    message = str(raised.value)
    assert words in message
    assert len(message) < 200 and "\x1b" not in message and "\n" not in message


@pytest.mark.parametrize("name", sorted(name for name, one in COMMANDS.items() if name and not one.text))
async def test_every_command_refuses_a_word_too_many(magics: BerlinMagics, name: str) -> None:
    fitting = {"use": "m", "drop": "1", "export": "a.json", "import": "a.json", "resume": "a", "forget": "a"}
    fitting |= {"undo": "1", "show": "1", "stop": "1", "versions": "1 use 1", "conversations": "all", "local": "get"}
    fitting |= {"template": "show x"}
    with pytest.raises(UsageError) as raised:
        await commands.run(magics, f"{name} {fitting.get(name, '')} please")
    assert "please" in str(raised.value)
    assert str(raised.value).startswith(f"%berlin {name}")


@pytest.mark.parametrize(
    "line",
    [
        "what is this",
        "What is this?",
        "what's this",
        "hepl me",
        "wait for it",
        "drop it all",
        "x" * 9999,
        "\x1b[31mred it",
    ],
)
async def test_a_question_is_never_sent_and_is_told_where_it_goes(magics: BerlinMagics, line: str) -> None:
    with pytest.raises(UsageError) as raised:
        await commands.run(magics, line)
    message = str(raised.value)
    assert "%%berlin" in message and "Did you mean" not in message
    assert len(message) < 300 and "\x1b" not in message
    assert len(magics.conversation) == 0


def test_a_command_with_two_percent_signs_is_not_sent_as_a_question() -> None:
    with pytest.raises(UsageError, match="`%berlin history`"):
        refuse_command(" history ", "\n")
    refuse_command("history", "of Berlin?")
    refuse_command("", "")
    refuse_command("history of Berlin?", "")


@pytest.mark.parametrize("line", ["use?", "undo??"])
async def test_a_question_mark_after_a_command_explains_it(magics: BerlinMagics, line: str) -> None:
    text = await told(magics, line)
    assert text.startswith(COMMANDS[line.rstrip("?")].usage)
    assert magics.model == ""


async def test_the_model_that_is_chosen_is_the_one_of_the_conversation(magics: BerlinMagics) -> None:
    assert await told(magics, "use llama3.2") == "From here on the model is llama3.2."
    assert magics.model == magics.conversation.model == "llama3.2"


async def test_a_provider_is_chosen_with_its_model(magics: BerlinMagics) -> None:
    assert await told(magics, "use ollama:qwen2.5:7b") == "From here on the model is qwen2.5:7b of Ollama."
    assert magics.conversation.model == "ollama:qwen2.5:7b"
    assert "usual model" in await told(magics, 'use ""')
    assert magics.model == magics.conversation.model == ""
    await told(magics, "use ollama:qwen2.5:7b")
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
    await told(magics, "system 'Don't say \"hm\"'")
    assert magics.conversation.system == 'Don\'t say "hm"'
    await told(magics, 'system  Say  "hm"')
    assert magics.conversation.system == 'Say  "hm"'


async def test_a_reset_says_what_is_kept(magics: BerlinMagics) -> None:
    for _ in range(2):
        magics.conversation.begin("Hello").finish = "complete"
    text = await told(magics, "reset")
    assert "2 turns stay stored; `%berlin forget` deletes" in text and "Forgot" not in text
    assert len(magics.conversation) == 0 and len(magics.conversation.every_turn()) == 2
    assert "Nothing" in await told(magics, "history")
    assert "stay" not in await told(magics, "reset")


def answered(magics: BerlinMagics, prompt: str, reply: str) -> None:
    turn = magics.conversation.begin(prompt, model="a model")
    turn.take(Text(reply))
    magics.conversation.end(turn, "complete")


async def test_the_history_shows_replies_as_rendered_markdown_and_runs_nothing(magics: BerlinMagics) -> None:
    answered(magics, "What is <b>bold</b>?", "It is **bold**, <script>alert(1)</script> ![x](https://e.org/x.png)")
    output = await commands.run(magics, "history")
    assert "you: What is <b>bold</b>?" in output.text and "It is **bold**" in output.text
    assert "<strong>bold</strong>" in output.html and "&lt;b&gt;bold&lt;/b&gt;" in output.html
    assert "<script" not in output.html and "<img" not in output.html


async def test_the_history_cuts_a_long_reply_and_says_how_to_see_the_rest(magics: BerlinMagics) -> None:
    answered(magics, "Code?", "```python\n" + "x = 1  # word\n" * 400 + "```\n\nThe end.")
    output = await commands.run(magics, "history")
    assert len(output.html) < 20_000 and "The end." not in output.html
    assert "<code>%berlin show 1</code>" in output.html.rpartition("</pre>")[2]


async def test_a_turn_is_shown_again_whole_rendered_and_without_a_record(magics: BerlinMagics) -> None:
    answered(magics, "One?", "# First\n\n" + "word " * 1000)
    answered(magics, "Two?", "The *second*")
    last, first = await commands.run(magics, "show"), await commands.run(magics, "show 1")
    assert last.text == "The *second*" and "<em>second</em>" in last.html and "*second*" in last.more["text/markdown"]
    assert first.text.startswith("# First") and first.text.count("word") == 1000
    with pytest.raises(UsageError, match="There is no turn 3"):
        await commands.run(magics, "show 3")
    assert first.record is None and last.record is None
    assert [turn.prompt for turn in magics.conversation] == ["One?", "Two?"]


async def test_with_nothing_asked_there_is_nothing_to_show(magics: BerlinMagics) -> None:
    assert await told(magics, "show") == "Nothing has been asked yet."


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
        ("-c\ta\thistory", ("a", "history")),
    ],
)
def test_a_line_can_name_its_conversation(line: str, expected: tuple[str, str]) -> None:
    assert split_conversation(line) == expected


async def test_a_local_model_is_shown_with_its_size_and_how_much_it_reads(
    magics: BerlinMagics, fake_engine: Path
) -> None:
    model_file(fake_engine / "Aya.gguf", context=4096)
    model_file(fake_engine / SMALL.file)
    listed = await told(magics, "models")
    assert re.search(r"^\* *SmolLM2-135M +0 MB, context 2,048$", listed, re.MULTILINE)
    assert re.search(r"^ +Aya +0 MB, context 4,096$", listed, re.MULTILINE)
    state = await told(magics, "")
    assert "local (nothing is configured, and a model is on this machine)" in state
    assert "a process on this machine" in state
    assert "SmolLM2-135M (0 MB, context 2,048; a very small model: expect mistakes)" in state


async def test_without_a_local_model_it_is_said_how_to_get_one(magics: BerlinMagics, fake_engine: Path) -> None:
    magics.model = "local:"
    with pytest.raises(NotConfiguredError, match="%berlin local get"):
        await told(magics, "models")


async def test_what_is_fetched_is_said_and_so_is_how_to_ask_it(
    magics: BerlinMagics, fake_engine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(download, "get", lambda tell, given_up: tell("50 % of 93 MB"))
    assert "`%%berlin -m local:` asks SmolLM2-135M" in await told(magics, "local get")
    said = capsys.readouterr().out
    assert "Apache-2.0" in said and said.endswith("50 % of 93 MB\n")
