"""The settings of the magics that say how to ask: they reach the provider, and show no secret."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from asking import TOKEN, assert_no_secret
from shells import new_shell
from traitlets import TraitError

from berlin_magic.kernel.extension import load
from berlin_magic.kernel.magics import BerlinMagics
from berlin_magic.providers import resolve
from berlin_magic.providers.base import Provider
from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.openai.services import OpenAI
from berlin_magic.providers.resolve import connect

PROXY = "http://ada:canary-proxy@127.0.0.1:9"
HEADERS = {"X-Key": "canary-header", "X-Title": "My notebook"}


@pytest.fixture
def embedded() -> Iterator[None]:
    yield
    resolve.close_embedded()


def magics_with(**settings: object) -> Any:
    shell = new_shell(**settings)
    load(shell)
    return shell.magics_manager.registry["BerlinMagics"]


def everything_shown(magics: Any) -> list[str]:
    book = magics.notebook
    places = [vars(magics), vars(book), book.connection, vars(magics.conversation), magics.conversation.connection]
    return [type(magics).class_get_help(magics), *map(repr, [*places, magics.config, magics.shell.config])]


@pytest.mark.parametrize("how", ["configuration", "%config"])
def test_a_proxys_password_and_headers_are_shown_nowhere_and_still_work(how):
    magics = magics_with(**({"proxy": PROXY, "headers": HEADERS} if how == "configuration" else {}))
    if how == "%config":
        magics.shell.run_line_magic("config", f"BerlinMagics.proxy = {PROXY!r}")
        magics.shell.run_line_magic("config", f"BerlinMagics.headers = {HEADERS!r}")
    shown = everything_shown(magics)
    assert_no_secret(*shown)
    assert "My notebook" in "".join(shown)
    assert magics.conversation.connection["proxy"] == PROXY
    assert magics.conversation.connection["headers"] == HEADERS
    magics.shell.run_line_magic("config", "BerlinMagics.silence = 5.0")
    assert magics.proxy == PROXY


def test_settings_with_secrets_can_be_copied():
    magics = magics_with(proxy=PROXY, headers=HEADERS)
    again = copy.deepcopy(magics.conversation.connection)
    assert again == magics.conversation.connection
    assert_no_secret(repr(again))


async def test_retries_and_the_limit_of_a_reply_reach_the_provider(embedded):
    magics = magics_with()
    magics.retries, magics.reply_limit = 0, 1000
    there = await connect(**magics.conversation.connection)
    assert (there.settings["retries"], there.settings["reply_limit"]) == (0, 1000)
    there = await connect("openai:m", key=TOKEN, **magics.conversation.connection)
    assert (there.settings["retries"], there.settings["reply_limit"]) == (0, 1000)


async def test_a_limit_of_0_is_none_and_no_limit_that_is_set_is_the_providers_own(embedded):
    magics = magics_with()
    assert "reply_limit" not in (await connect(**magics.conversation.connection)).settings
    magics.reply_limit = 0
    assert (await connect(**magics.conversation.connection)).settings["reply_limit"] is None


@pytest.mark.parametrize(("name", "value"), [("retries", -1), ("reply_limit", -1), ("retries", 1.5), ("headers", "x")])
def test_what_is_none_is_refused(name, value):
    with pytest.raises(TraitError):
        setattr(BerlinMagics(), name, value)


async def test_headers_go_to_the_provider_that_is_set_else_to_openai_and_to_no_other(monkeypatch):
    magics = magics_with(headers=HEADERS)
    there = await connect("openai:m", **magics.conversation.connection)
    assert (there.provider, there.settings["headers"]) == (OpenAI, HEADERS)
    assert "headers" not in (await connect("ollama:m", **magics.conversation.connection)).settings
    magics.provider = "ollama"
    assert (await connect("ollama:m", **magics.conversation.connection)).settings["headers"] == HEADERS


async def test_no_headers_are_no_word_for_openai(monkeypatch):
    monkeypatch.setenv("BERLIN_URL", "http://127.0.0.1:9")
    there = await connect(**magics_with().conversation.connection)
    assert (there.provider, "headers" in there.settings) == (Berlin, False)


async def test_a_provider_that_does_not_name_them_is_not_given_them(monkeypatch):
    class Plain(Provider):
        name = "Plain"

        @classmethod
        def create_async_generator(cls, model, messages, proxy=None, **kwargs) -> AsyncGenerator[str, None]:
            raise NotImplementedError

    monkeypatch.setattr(resolve, "load", lambda _: Plain)
    there = await connect("openai:m", retries=3, reply_limit=5, silence=7.0)
    assert there.settings == {}
