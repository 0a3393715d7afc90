from __future__ import annotations

from berlin_magic.server.tokens import Tokens


def test_only_the_newest_token_of_an_account_is_valid():
    tokens = Tokens()
    first, other, second = tokens.issue("ada"), tokens.issue("bob"), tokens.issue("ada")
    assert [tokens.owner(token) for token in (first, other, second)] == [None, "bob", "ada"]


def test_a_token_expires_and_is_forgotten():
    now = [0.0]
    tokens = Tokens(lifetime=10, clock=lambda: now[0])
    token = tokens.issue("ada")
    now[0] = 9.9
    assert tokens.owner(token) == "ada"
    now[0] = 10.0
    assert tokens.owner(token) is None
    assert not tokens._owners


def test_past_the_most_accounts_the_oldest_login_ends():
    tokens = Tokens(most=2)
    issued = [tokens.issue(name) for name in ("ada", "bob", "eve")]
    assert [tokens.owner(token) for token in issued] == [None, "bob", "eve"]


def test_tokens_are_kept_as_hashes_alone():
    tokens = Tokens()
    token = tokens.issue("ada")
    assert token not in repr(vars(tokens))


def test_ending_an_account_that_has_no_token_is_harmless():
    Tokens().end("nobody")
