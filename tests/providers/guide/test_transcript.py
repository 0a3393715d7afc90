"""A labelled prompt is read back into the messages that it was made from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berlin_magic.messages import flatten
from berlin_magic.providers.guide.exchanges import messages_in, unflattened

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello\nthere"},
    {"role": "assistant", "content": "Good day.\n\n- a list\n- of two"},
    {"role": "user", "content": "And now?"},
]


def test_a_plain_question_stays_one_message():
    assert messages_in("What is this?") == [{"role": "user", "content": "What is this?"}]


def test_what_the_client_flattens_comes_back_as_it_was():
    assert messages_in(flatten(TALK)) == TALK


@pytest.mark.parametrize("between", ["\n", "\n\n", "\r\n\r\n", "\n \n"])
def test_labels_are_found_whatever_stands_between_the_messages(between):
    prompt = between.join(["User: one", "Assistant: two", "User: three", "Assistant:"])
    assert [message["content"] for message in messages_in(prompt)] == ["one", "two", "three"]


def test_a_question_that_speaks_of_a_label_is_no_conversation():
    question = "Why is it sent as\nUser: hello\n?"
    assert messages_in(question) == [{"role": "user", "content": question}]


def test_a_label_inside_a_message_does_not_cut_it_where_blank_lines_separate_the_messages():
    talk = [
        {"role": "user", "content": "A log:\nUser: bob\nAssistant: eve"},
        {"role": "assistant", "content": "I see."},
        {"role": "user", "content": "Who?"},
    ]
    assert messages_in(flatten(talk)) == talk


def test_a_labelled_prompt_replaces_what_the_server_kept_of_the_same_conversation():
    kept = [{"role": "user", "content": "Hello\nthere"}, {"role": "assistant", "content": "Good day."}]
    assert unflattened([*kept, {"role": "user", "content": flatten(TALK)}]) == TALK


def test_structured_messages_stay_as_they_are():
    assert unflattened(TALK) == TALK


@given(st.text())
def test_any_text_is_read_without_an_error(text):
    assert messages_in(text)
