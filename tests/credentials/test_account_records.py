"""An account's record is quoted in no wrapping; what is no record stays readable."""

from __future__ import annotations

import html
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berlin_magic.credentials.account_record import quotable, without_record

RECORD = {"account": "ada", "password": "canary-hash", "ip": "canary-ip", "nickname": 'canary "}\\ x', "superior": None}
ANSWER = {"code": 0, "data": {"user_info": RECORD, "token": "canary-token"}, "message": "welcome"}
TEXT = json.dumps(ANSWER)
INSPECTED = "{ user_info: { password: 'canary', ip: 'canary-2' }, token: 'canary-3', message: 'welcome' }"

WRAPPINGS = {
    "JSON": TEXT,
    "over several lines": json.dumps(ANSWER, indent=2),
    "within JSON": json.dumps({"error": TEXT}),
    "within JSON within JSON": json.dumps({"error": json.dumps({"error": TEXT})}),
    "Python": repr(ANSWER),
    "Node": INSPECTED,
    "HTML": html.escape(TEXT),
    "HTML with numbers": TEXT.replace('"', "&#34;"),
    "URL": quote(TEXT),
    "form": quote_plus(TEXT),
    "query": f"http://x/?a=1&{urlencode({'token': 'canary-token', 'password': 'canary'})}#welcome",
    "after a warning": f"<b>Warning</b>: x\n{TEXT}",
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_it_is_found_in_every_wrapping_and_what_stands_before_it_is_shown(wrapping):
    shown = without_record(f"it said: {WRAPPINGS[wrapping]}")
    assert "canary" not in shown
    assert shown.startswith("it said: ")
    assert "<secret>" in shown


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_it_is_found_wherever_it_is_cut(wrapping):
    for end in range(len(WRAPPINGS[wrapping])):
        assert "canary" not in without_record(WRAPPINGS[wrapping][:end])


def test_what_stands_behind_a_cut_is_told():
    assert without_record('x {"token": "abc … (7 more characters)\nDo this.').endswith(
        " … (7 more characters)\nDo this."
    )
    assert without_record('x {"user_info": {"a": "b\nDo this.').endswith("\nDo this.")


@pytest.mark.parametrize(
    "name", ["token", "Token", "access_token", "accessToken", "password", "user_info", "userInfo", "ip"]
)
def test_names_are_known_in_their_usual_spellings(name):
    assert "canary" not in without_record(json.dumps({name: "canary"}))


@pytest.mark.parametrize(
    "text",
    [
        "Unexpected token < in JSON at position 0",
        "Unexpected token: '}'",
        "Unexpected token: 'endfor' at line 3",
        "unexpected token = 'endfor' in template",
        "expected token: 'end of statement block'",
        "token: 4097",
        "token: 50256 is out of range",
        "max_tokens: 5000 is too much",
        "invalid password.",
        "password: required",
        '{"token": null, "password": null}',
        "the tip=12345 and the ship: 12345",
        "Model gpt-9 is not supported",
        "connect ECONNREFUSED 127.0.0.1:80",
    ],
)
def test_other_words_stay(text):
    assert without_record(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "token: canary12",
        "token: 'canary12' x",
        "{token: 'canar",
        '{"token": "canary"}',
        "?token=canary",
        "{'token': 4097}",
    ],
)
def test_a_token_that_looks_like_one_or_is_a_field_is_hidden(text):
    shown = without_record(text)
    assert "cana" not in shown
    assert "4097" not in shown


def test_what_is_quoted_is_one_line_and_cut_behind_what_was_hidden():
    shown = quotable('{"why": "full",\n "user_info": {"a": "' + "c" * 1000 + '"}}\nDo this.')
    assert shown == '{"why": "full", "user_info": <secret> Do this.'
    assert quotable("x" * 301).endswith("(1 more characters)")


def test_a_second_time_changes_nothing():
    once = without_record(TEXT)
    assert without_record(once) == once


@given(st.text(alphabet="{}[]\"'\\:= \n&;%27tokenip", max_size=60))
def test_any_text_comes_to_an_end(text):
    without_record(text)


def test_a_long_answer_made_to_take_long_does_not():
    for piece in ('"token":{"', "token='", "%22token%22%3A%7B", '\\"', "token: {["):
        quotable(piece * 100_000)
