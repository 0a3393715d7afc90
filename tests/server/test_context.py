from __future__ import annotations

from berlin_magic.server.context import Context, StoredTurn


def said(context: Context, account: str = "ada", parent: str = "p") -> list[str]:
    return [message["content"] for message in context.messages(account, parent)]


def test_only_the_newest_rows_are_kept_in_their_order():
    context = Context(rows=4)
    for number in range(5):
        context.append("ada", "p", StoredTurn(f"q{number}", f"a{number}"))
    assert said(context) == ["q3", "a3", "q4", "a4"]


def test_an_odd_number_of_rows_never_halves_a_turn():
    context = Context(rows=3)
    for number in range(3):
        context.append("ada", "p", StoredTurn(f"q{number}", f"a{number}"))
    assert said(context) == ["q2", "a2"]


def test_with_no_rows_nothing_is_kept():
    context = Context(rows=0)
    context.append("ada", "p", StoredTurn("q", "a"))
    assert context.conversations("ada") == []


def test_accounts_and_conversations_are_apart():
    context = Context()
    context.append("ada", "p", StoredTurn("1", "2"))
    context.append("bob", "p", StoredTurn("3", "4"))
    context.append("ada", "q", StoredTurn("5", "6"))
    assert said(context, "bob") == ["3", "4"]
    assert [parent for parent, _ in context.conversations("ada")] == ["q", "p"]
    assert context.drop("ada", "p") == 1
    assert context.drop("ada", "p") == 0
    assert said(context) == []
    assert said(context, "bob") == ["3", "4"]


def test_past_the_bound_the_conversation_added_to_least_recently_goes():
    context = Context(most_characters=10_000)
    for parent in ("a", "b"):
        context.append("ada", parent, StoredTurn("x" * 3_000, ""))
    context.append("ada", "a", StoredTurn("x", ""))
    context.append("ada", "c", StoredTurn("x" * 3_000, ""))
    assert [parent for parent, _ in context.conversations("ada")] == ["c", "a"]
    context.append("ada", "d", StoredTurn("x" * 20_000, ""))
    assert context.conversations("ada") == []
    assert context._characters == 0
