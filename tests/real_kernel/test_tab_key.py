"""The Tab key in a notebook: options, commands, models."""

from __future__ import annotations

import pytest
from real_kernel.conftest import Server
from real_kernel.rig import Kernel

pytestmark = pytest.mark.kernel


def offered(kernel: Kernel, code: str) -> list[str]:
    kernel.client.complete(code, len(code))
    while True:
        reply = kernel.client.get_shell_msg(timeout=20)
        if reply["msg_type"] == "complete_reply":
            content = reply["content"]
            start = content["cursor_start"]
            return [code[:start] + match for match in content["matches"]]


def test_options_commands_and_listed_models_are_offered(kernel: Kernel, server: Server) -> None:
    assert offered(kernel, "%%berlin --max") == ["%%berlin --max-tokens"]
    assert "%berlin history" in offered(kernel, "%berlin his")
    assert "%berlin use ollama:" in offered(kernel, "%berlin use oll")
    kernel.good("%berlin models")
    assert offered(kernel, "%%berlin -m scr") == ["%%berlin -m scripted"]
    assert offered(kernel, "%%berlin\nimport jso") != []  # below the first line it is as everywhere
    kernel.good(
        "import types\nfruit = types.SimpleNamespace(apple=1)\n__import__('berlin_magic').conversation('drafts')"
    )
    assert offered(kernel, "%%berlin\nOf {{ frui") == ["%%berlin\nOf {{ fruit"]
    assert offered(kernel, "%%berlin\nOf {{ fruit.ap") == ["%%berlin\nOf {{ fruit.apple"]
    assert offered(kernel, "%%berlin\nOf {{ fruit | sch") == ["%%berlin\nOf {{ fruit | schema"]
    assert offered(kernel, "%%berlin -c dra") == ["%%berlin -c drafts"]


def test_forms_and_types_of_the_notebook_are_offered(kernel: Kernel) -> None:
    assert offered(kernel, "%%berlin -f j") == ["%%berlin -f json"]
    kernel.good(
        "import enum, typing\nMoods = typing.Literal['good', 'bad']\nMoodList = list[Moods]\nMoodless = 3\n"
        "Moodful = typing.TypedDict('Moodful', {'mood': str})\nclass Mood(enum.Enum): GOOD = 1\n_Mood = Mood"
    )
    named = ["Mood", "MoodList", "Moodful", "Moods"]
    assert offered(kernel, "%%berlin --as Mo") == [f"%%berlin --as {name}" for name in named]
    assert "%%berlin --as In" not in offered(kernel, "%%berlin --as ")  # which IPython has for itself


def test_reloading_leaves_one_matcher_and_unloading_none(kernel: Kernel) -> None:
    count = "sum(type(m).__name__ == 'Matcher' for m in get_ipython().Completer.custom_matchers)"
    kernel.good("%reload_ext berlin_magic")
    assert kernel.value(count) == "1"
    kernel.good("%unload_ext berlin_magic")
    assert kernel.value(count) == "0"
    kernel.good("%load_ext berlin_magic")
