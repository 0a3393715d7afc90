"""Where questions go, and that what is known to get in there stays unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from asking import ACCOUNT, PASSWORD, TOKEN, assert_no_secret

from berlin_magic.errors import NotConfiguredError
from berlin_magic.providers import resolve
from berlin_magic.providers.berlin.provider import DEFAULT_MODEL, Berlin
from berlin_magic.providers.resolve import EMBEDDED_MODEL, connect

THERE = "http://127.0.0.1:9"


@pytest.fixture
def embedded() -> Iterator[None]:
    yield
    resolve.close_embedded()


async def test_with_nothing_configured_there_is_one_embedded_server_for_all(embedded: None) -> None:
    first, second = await asyncio.gather(connect(), connect(silence=5.0, proxy="http://127.0.0.1:1"))
    assert first.embedded and second.embedded
    assert first.where == second.where
    assert first.model == EMBEDDED_MODEL
    assert second.settings["silence"] == 5.0 and "proxy" not in second.settings


async def test_the_next_question_after_its_end_starts_another(embedded: None) -> None:
    before = await connect()
    resolve.close_embedded()
    resolve.close_embedded()  # harmless
    after = await connect()
    assert before.settings["password"] != after.settings["password"]
    assert resolve._server is not None and resolve._server.alive


async def test_a_server_that_has_ended_by_itself_is_replaced(embedded: None) -> None:
    before = await connect()
    assert resolve._server is not None
    resolve._server.close()
    assert (await connect()).settings["password"] != before.settings["password"]


@pytest.mark.parametrize("given", [{"url": THERE}, {"account": ACCOUNT}, {"password": PASSWORD}, {"token": TOKEN}])
async def test_whoever_names_a_server_or_a_way_in_does_not_get_the_embedded_one(given: dict[str, str]) -> None:
    there = await connect(**given)
    assert (there.provider, there.embedded, there.model) == (Berlin, False, DEFAULT_MODEL)
    assert there.settings == given
    assert resolve._server is None


async def test_a_server_in_the_environment_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERLIN_URL", THERE)
    monkeypatch.setenv("BERLIN_MODEL", "from-the-environment")
    there = await connect()
    assert (there.where, there.model) == (THERE, "from-the-environment")


async def test_what_is_empty_counts_as_not_given(embedded: None) -> None:
    there = await connect(url="", account="", password=None, token="", proxy="", silence=None)
    assert there.embedded
    assert "silence" not in there.settings


async def test_no_secret_is_seen_in_a_connection() -> None:
    proxy = "http://me:canary-proxy@127.0.0.1:1"
    there = await connect(url=THERE, account=ACCOUNT, password=PASSWORD, token=TOKEN, proxy=proxy)
    assert_no_secret(repr(there), repr(there.settings), repr(dict(there.settings)))
    assert ACCOUNT not in repr(there)
    assert there.settings["password"] == PASSWORD  # and it still works
    assert there.settings["proxy"] == proxy


async def test_no_secret_is_seen_in_the_frames_of_an_error() -> None:
    with pytest.raises(NotConfiguredError) as raised:
        await connect(url="no address", account=ACCOUNT, password=PASSWORD, token=TOKEN)
    for entry in raised.traceback[1:]:  # the first is this test's
        assert_no_secret(repr(entry.frame.f_locals))
