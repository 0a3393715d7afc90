from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from berlin_magic.server.context import Context, StoredTurn
from berlin_magic.server.state import State


@pytest.fixture(params=["memory", "file"])
async def state(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[State]:
    kept = State(None if request.param == "memory" else tmp_path / "class.db")
    yield kept
    await kept.close()


async def said(context: Context, account: str = "ada", parent: str = "p") -> list[str]:
    return [message["content"] for message in await context.messages(account, parent)]


async def ids(context: Context, account: str = "ada") -> list[str]:
    return [parent for parent, _ in await context.conversations(account)]


async def test_only_the_newest_rows_are_kept_in_their_order(state: State):
    context = Context(state, rows=4)
    for number in range(5):
        await context.append("ada", "p", StoredTurn(f"q{number}", f"a{number}"))
    assert await said(context) == ["q3", "a3", "q4", "a4"]


async def test_an_odd_number_of_rows_never_halves_a_turn(state: State):
    context = Context(state, rows=3)
    for number in range(3):
        await context.append("ada", "p", StoredTurn(f"q{number}", f"a{number}"))
    assert await said(context) == ["q2", "a2"]


async def test_with_no_rows_nothing_is_kept_and_nothing_sent(state: State):
    await Context(state).append("ada", "p", StoredTurn("q", "a"))
    context = Context(state, rows=0)
    assert await said(context) == []
    await context.append("ada", "new", StoredTurn("q", "a"))
    assert await ids(context) == ["p"]


async def test_with_fewer_rows_than_at_the_last_start_fewer_are_sent(state: State):
    for number in range(3):
        await Context(state).append("ada", "p", StoredTurn(f"q{number}", f"a{number}"))
    assert await said(Context(state, rows=2)) == ["q2", "a2"]


async def test_accounts_and_conversations_are_apart(state: State):
    context = Context(state)
    await context.append("ada", "p", StoredTurn("1", "2"))
    await context.append("bob", "p", StoredTurn("3", "4"))
    await context.append("ada", "q", StoredTurn("5", "6"))
    assert await said(context, "bob") == ["3", "4"]
    assert await ids(context) == ["q", "p"]
    assert await context.drop("ada", "p") == 1
    assert await context.drop("ada", "p") == 0
    assert await said(context) == []
    assert await said(context, "bob") == ["3", "4"]


async def test_a_turn_comes_back_as_it_was_even_with_half_a_surrogate_pair(state: State):
    context = Context(state)
    turn = StoredTurn(
        "q\ud83c", "é🎉\0", {"model": "m", "temperature": 0}, "2026-01-01 00:00:00", "2026-01-01 00:00:01"
    )
    await context.append("ada", "p\ud83c", turn)
    ((parent, turns),) = await context.conversations("ada", "p\ud83c")
    assert parent == "p\ud83c"
    assert turns[0].rows("ada", parent) == turn.rows("ada", parent)


async def test_past_its_bound_an_account_loses_the_conversation_it_added_to_least_recently_and_no_other_does(
    state: State,
):
    context = Context(state, most_characters=10_000)
    await context.append("bob", "a", StoredTurn("x" * 3_000, ""))
    for parent in ("a", "b"):
        await context.append("ada", parent, StoredTurn("x" * 3_000, ""))
    await context.append("ada", "a", StoredTurn("x", ""))
    await context.append("ada", "c", StoredTurn("x" * 3_000, ""))
    assert await ids(context) == ["c", "a"]
    assert await ids(context, "bob") == ["a"]


async def test_a_turn_that_would_drive_out_the_others_is_not_kept(state: State):
    context = Context(state, most_characters=10_000)
    await context.append("ada", "a", StoredTurn("q", "a"))
    await context.append("ada", "a", StoredTurn("q", "x" * 20_000))
    assert await said(context, parent="a") == ["q", "a"]


async def test_past_the_bound_of_all_the_account_with_the_most_loses_its_oldest(state: State):
    context = Context(state, most_bytes=300_000)
    await context.append("bob", "small", StoredTurn("x" * 1_000, ""))
    for number in range(10):
        await context.append("ada", f"{number}", StoredTurn("x" * 50_000, ""))
    assert await ids(context, "bob") == ["small"]
    left = await ids(context)
    assert 1 < len(left) < 6
    assert left == sorted(left, reverse=True)
    assert left[0] == "9"


async def test_what_is_dropped_is_not_in_the_file_any_more(tmp_path: Path):
    for done in (False, True):
        state = State(tmp_path / "class.db")
        if done:
            await Context(state).drop("ada", "p")
        else:
            await Context(state).append("ada", "p", StoredTurn("canary", "canary" * 5_000))
        await state.close()
        assert not (tmp_path / "class.db-wal").exists()
        assert (b"canary" not in (tmp_path / "class.db").read_bytes()) is done


async def test_conversations_survive_a_restart(tmp_path: Path):
    for expected in ([], ["q", "a"]):
        state = State(tmp_path / "class.db")
        context = Context(state)
        assert await said(context) == expected
        await context.append("ada", "p", StoredTurn("q", "a"))
        await state.close()
