"""Messages: what is one, and how several become one prompt."""

from __future__ import annotations

import pytest

from berlin_magic.messages import ROLES, checked, flatten

USER = {"role": "user", "content": "Hello"}


def test_a_single_user_message_goes_as_it_is():
    assert flatten([{"role": "user", "content": " a\n\nb "}]) == " a\n\nb "


def test_several_messages_are_labelled_and_left_open_for_the_reply():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Capital of France?"},
        {"role": "assistant", "content": "Paris."},
        {"role": "user", "content": "Of Italy?"},
    ]
    assert flatten(messages) == (
        "System: Be brief.\n\nUser: Capital of France?\n\nAssistant: Paris.\n\nUser: Of Italy?\n\nAssistant:"
    )


def test_a_single_message_that_is_not_the_users_is_labelled():
    assert flatten([{"role": "system", "content": "Be brief."}]) == "System: Be brief.\n\nAssistant:"


def test_any_iterable_of_messages_will_do():
    assert flatten(message for message in [USER]) == "Hello"
    assert flatten((USER,)) == "Hello"


def test_the_result_is_a_new_list_of_plain_messages():
    given = [{**USER, "name": "Ada"}]
    result = checked(given)
    assert result == [USER]
    result[0]["content"] = "changed"
    assert given[0]["content"] == "Hello"


@pytest.mark.parametrize("role", ROLES)
def test_every_role_of_chat_completions_is_known(role):
    assert checked([{"role": role, "content": ""}]) == [{"role": role, "content": ""}]


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "empty"),
        ("Hello", "must be a list"),
        (b"Hello", "must be a list"),
        (USER, "must be a list"),
        (None, "must be a list"),
        (7, "must be a list"),
        (["Hello"], r"messages\[0\] must be a dict"),
        ([USER, None], r"messages\[1\] must be a dict"),
        ([{"content": "x"}], r"messages\[0\] has no 'role'"),
        ([{"role": "user"}], r"messages\[0\] has no 'content'"),
        ([{"role": "user", "content": None}], r"messages\[0\]\['content'\] must be a str, not NoneType"),
        ([{"role": "user", "content": b"x"}], r"messages\[0\]\['content'\] must be a str, not bytes"),
        ([{"role": 1, "content": "x"}], r"messages\[0\]\['role'\] must be a str"),
        ([{"role": "human", "content": "x"}], r"messages\[0\]\['role'\] must be one of .*not 'human'"),
        ([USER, {"role": "User", "content": "x"}], r"messages\[1\]\['role'\] must be one of"),
    ],
)
def test_a_malformed_list_is_a_value_error_that_says_which_and_why(messages, said):
    with pytest.raises(ValueError, match=said):
        checked(messages)
