"""The providers by their names: ours, and those that other packages bring."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from berlin_magic.conversations.conversation import Conversation
from berlin_magic.errors import NotConfiguredError
from berlin_magic.messages import Text
from berlin_magic.providers import registry
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.registry import installed, load, named_provider

GOOD = """
from berlin_magic import Provider

class Echo(Provider):
    name = "Echo"

    @classmethod
    async def create_async_generator(cls, model, messages, proxy=None, **kwargs):
        yield messages[-1]["content"]
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put packages where Python finds them: the text of a module, and the entry points that it is installed with."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(module: str, code: str, *lines: str) -> None:
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join(["[berlin_magic.providers]", *lines]) + "\n")
        registry.installed.cache_clear()

    registry.installed.cache_clear()
    yield put
    registry.installed.cache_clear()
    for name in list(sys.modules):
        if name.startswith("their_"):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("model", "provider", "rest"),
    [
        ("ollama:llama3.2", "ollama", "llama3.2"),
        ("ollama:qwen2.5:7b", "ollama", "qwen2.5:7b"),
        ("Ollama: llama3.2", "ollama", "llama3.2"),
        ("openrouter:meta/llama:free", "openrouter", "meta/llama:free"),
        ("berlin:ollama:x", "berlin", "ollama:x"),
        ("lmstudio:", "lmstudio", ""),
    ],
)
def test_a_prefix_that_is_a_provider_names_it(model: str, provider: str, rest: str) -> None:
    assert named_provider(model) == (provider, rest)


@pytest.mark.parametrize("model", ["qwen2.5:7b", "gpt-4", "ollama", "", ":x", "ft:gpt-4:org"])
def test_any_other_prefix_is_part_of_the_models_name(model: str) -> None:
    assert named_provider(model) == ("", model)


def test_ours_are_all_there_and_berlin_comes_first() -> None:
    assert next(iter(installed())) == "berlin"
    for name in registry._OURS:
        assert load(name).name and load(name).needs
    assert load("Berlin") is Berlin


async def test_one_of_another_package_is_found_by_its_prefix(install: Install) -> None:
    install("their_echo", GOOD, "echo = their_echo:Echo")
    assert named_provider("echo:any:thing") == ("echo", "any:thing")
    assert "their_echo" not in sys.modules  # only when it is asked
    provider = load("echo")
    pieces = [piece async for piece in provider.stream("m", [{"role": "user", "content": "Hello"}])]
    assert pieces == [Text("Hello")]


@pytest.mark.parametrize(
    ("code", "target", "words"),
    [
        ("import nowhere_to_be_found", "Echo", "ModuleNotFoundError"),
        ("raise RuntimeError('\\x1b[31mred\\n\\n\\nmany lines' * 99)", "Echo", "RuntimeError"),
        ("x = 1", "Echo", "AttributeError"),
        ("class Echo: pass", "Echo", "must subclass"),
        ("from berlin_magic import Provider\nclass Echo(Provider): pass", "Echo", "create_async_generator"),
        ("Echo = 7", "Echo", "must subclass"),
    ],
)
def test_a_broken_one_is_told_in_two_lines_and_only_when_it_is_asked(
    install: Install, code: str, target: str, words: str
) -> None:
    install("their_broken", code, f"broken = their_broken:{target}")
    assert load("ollama").name == "Ollama"
    with pytest.raises(NotConfiguredError, match=words) as raised:
        load("broken")
    message = str(raised.value)
    assert "their_broken" in message and "\x1b" not in message
    assert len(message.splitlines()) == 2 and len(message) < 500


def test_nobody_takes_a_name_of_ours(install: Install) -> None:
    install("their_thief", GOOD, "openai = their_thief:Echo", "Berlin = their_thief:Echo")
    with pytest.warns(UserWarning, match="there are two providers") as told:
        assert installed()["openai"].value == "berlin_magic.providers.openai.services:OpenAI"
    assert len(told) == 2
    assert load("berlin") is Berlin


def test_of_two_with_one_name_the_first_counts_and_the_other_is_told(install: Install) -> None:
    install("their_first", GOOD, "echo = their_first:Echo")
    install("their_second", GOOD, "echo = their_second:Echo")
    with pytest.warns(UserWarning, match="their_second:Echo is left out"):
        assert installed()["echo"].value == "their_first:Echo"


def test_a_name_that_nobody_could_write_is_left_out(install: Install) -> None:
    install("their_odd", GOOD, "a b = their_odd:Echo", "fine = their_odd:Echo")
    with pytest.warns(UserWarning, match="'a b'"):
        assert "fine" in installed() and "a b" not in installed()


def test_metadata_that_can_not_be_read_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(metadata, "entry_points", broken)
    registry.installed.cache_clear()
    with pytest.warns(UserWarning, match="can't be listed"):
        assert "ollama" in installed()
    registry.installed.cache_clear()


def test_a_name_that_is_none_is_told_with_those_there_are() -> None:
    with pytest.raises(NotConfiguredError, match="ollama"):
        load("olama")


def test_telling_a_name_imports_no_http_client() -> None:
    code = "import sys; from berlin_magic.providers.registry import named_provider; named_provider('ollama:x'); "
    code += "named_provider('a:b'); "
    code += "assert not {'aiohttp', 'berlin_magic.providers.openai.services'} & sys.modules.keys()"
    with warnings.catch_warnings():
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


async def test_a_piece_without_text_is_no_first_word(install: Install) -> None:
    code = GOOD.replace("        yield messages", '        yield ""\n        yield messages')
    install("their_empty", code, "empty = their_empty:Echo")
    talk = Conversation(model="empty:m")
    assert [piece async for piece in talk.stream("Hello")] == ["Hello"]
