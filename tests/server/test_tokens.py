from __future__ import annotations

from pathlib import Path

from berlin_magic.server.accounts.model import Account
from berlin_magic.server.state import State
from berlin_magic.server.tokens import Tokens

ADA, BOB, EVE = Account("ada"), Account("bob"), Account("eve")


def names(tokens: Tokens, *issued: str) -> list[str | None]:
    return [login.name if (login := tokens.owner(token)) else None for token in issued]


async def test_only_the_newest_token_of_an_account_is_valid():
    tokens = Tokens(State())
    issued = [await tokens.issue(account) for account in (ADA, BOB, ADA)]
    assert names(tokens, *issued) == [None, "bob", "ada"]


async def test_a_token_expires_and_is_forgotten():
    now = [0.0]
    tokens = Tokens(State(), lifetime=10, clock=lambda: now[0])
    token = await tokens.issue(ADA)
    now[0] = 9.9
    assert names(tokens, token) == ["ada"]
    now[0] = 10.0
    assert tokens.owner(token) is None
    assert not tokens._by_digest
    assert not tokens._by_account


async def test_past_the_most_accounts_the_oldest_login_ends():
    tokens = Tokens(State(), most=2)
    issued = [await tokens.issue(account) for account in (ADA, BOB, EVE)]
    assert names(tokens, *issued) == [None, "bob", "eve"]


async def test_a_login_knows_the_account_and_its_mark():
    tokens = Tokens(State())
    login = tokens.owner(await tokens.issue(Account("ada", id="17", mark="m")))
    assert login is not None
    assert (login.account, login.name, login.mark) == ("17", "ada", "m")


async def test_logins_survive_a_restart_until_they_expire(tmp_path: Path):
    now = [0.0]
    state = State(tmp_path / "class.db")
    tokens = Tokens(state, lifetime=10, clock=lambda: now[0], most=2)
    issued = [await tokens.issue(account) for account in (EVE, ADA, BOB, ADA)]
    await state.close()

    state = State(tmp_path / "class.db")
    tokens = Tokens(state, lifetime=10, clock=lambda: now[0])
    await tokens.load()
    assert names(tokens, *issued) == [None, None, "bob", "ada"]
    now[0] = 20.0
    await tokens.issue(EVE)
    assert await state.run(lambda db: db.execute("SELECT count(*) FROM logins").fetchone()) == (1,)
    await state.close()


async def test_tokens_are_kept_as_hashes_alone(tmp_path: Path):
    state = State(tmp_path / "class.db")
    tokens = Tokens(state)
    token = await tokens.issue(ADA)
    assert token not in repr(vars(tokens))
    await state.close()
    assert token.encode() not in (tmp_path / "class.db").read_bytes()
