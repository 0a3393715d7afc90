"""Loading and unloading: what is added to a shell, taken away again, and left alone."""

from __future__ import annotations

from typing import Any

import pytest
from shells import new_shell

import berlin_magic
from berlin_magic.kernel.extension import load, unload
from berlin_magic.kernel.input_transformer import AwaitMagics
from berlin_magic.kernel.magics import BerlinMagics
from berlin_magic.kernel.notebook import conversation_of
from berlin_magic.providers import resolve
from berlin_magic.providers.local import engine


def things_in(shell: Any) -> dict[str, list[str]]:
    """Return everything that an extension can have put into `shell`."""
    manager = shell.magics_manager
    return {
        "transformers": [type(entry).__name__ for entry in shell.input_transformers_post],
        "cleanup": [getattr(entry, "__name__", type(entry).__name__) for entry in shell.input_transformers_cleanup],
        "configurables": [type(entry).__name__ for entry in shell.configurables],
        "registry": sorted(map(str, manager.registry)),
        "line": sorted(manager.magics["line"]),
        "cell": sorted(manager.magics["cell"]),
        "hooks": sorted(name for name, hooks in shell.events.callbacks.items() for _ in hooks),
        "matchers": [str(matcher) for matcher in shell.Completer.custom_matchers],
    }


def test_loading_again_leaves_one_of_everything() -> None:
    shell = new_shell()
    load(shell)
    once = things_in(shell)
    load(shell)
    assert things_in(shell) == once
    assert once["transformers"].count("AwaitMagics") == once["configurables"].count("BerlinMagics") == 1
    assert once["cleanup"].count("normalize_cell") == 1
    assert "berlin" in once["line"] and "berlin" in once["cell"]


def test_unloading_takes_everything_away_and_twice_does_no_harm() -> None:
    shell = new_shell()
    before = things_in(shell)
    load(shell)
    assert things_in(shell) != before
    for _ in range(2):
        unload(shell)
        assert things_in(shell) == before


def test_the_packages_two_functions_are_these() -> None:
    shell = new_shell()
    berlin_magic.load_ipython_extension(shell)
    assert any(isinstance(entry, AwaitMagics) for entry in shell.input_transformers_post)
    berlin_magic.unload_ipython_extension(shell)
    assert not any(isinstance(entry, AwaitMagics) for entry in shell.input_transformers_post)


def test_the_transformers_of_others_stay() -> None:
    shell = new_shell()

    def others(lines: list[str]) -> list[str]:
        return lines

    shell.input_transformers_post.append(others)
    transformers = shell.input_transformers_post
    load(shell)
    unload(shell)
    assert shell.input_transformers_post is transformers  # IPython holds on to the list itself
    assert others in transformers


def test_the_conversation_outlives_a_reload() -> None:
    shell = new_shell()
    load(shell)
    talk = conversation_of(shell)
    talk.begin("Remember me").finish = "complete"
    unload(shell)
    load(shell)
    assert conversation_of(shell) is talk
    assert [turn.prompt for turn in talk] == ["Remember me"]


def test_the_configuration_sets_the_settings() -> None:
    shell = new_shell(model="from-the-file", silence=7.5)
    load(shell)
    (magics,) = [entry for entry in shell.configurables if isinstance(entry, BerlinMagics)]
    assert (magics.model, magics.silence) == ("from-the-file", 7.5)


def test_a_setting_that_no_trait_accepts_is_told_and_set_aside_alone() -> None:
    shell = new_shell(model="kept", silence="long", max_tokens=0)
    with pytest.warns(UserWarning, match="is left at its default") as told:
        load(shell)
    assert sorted(str(warning.message).split()[1] for warning in told) == ["max_tokens", "silence"]
    magics = shell.magics_manager.registry["BerlinMagics"]
    assert (magics.model, magics.silence, magics.max_tokens) == ("kept", None, None)


def test_unloading_ends_the_embedded_server_and_loading_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[bool] = []
    monkeypatch.setattr(resolve, "close_embedded", lambda: ended.append(True))
    shell = new_shell()
    load(shell)
    assert not ended  # code may have asked before, and its reply goes on
    unload(shell)
    assert ended


def test_unloading_gives_the_engines_of_local_models_back(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[bool] = []
    monkeypatch.setattr(engine, "release_all", lambda: given_back.append(True))
    shell = new_shell()
    load(shell)
    assert not given_back
    unload(shell)
    assert given_back
