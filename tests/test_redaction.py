"""No secret leaves with an error, however the server spells it and wherever its words are cut."""

from __future__ import annotations

import html
import json
from urllib.parse import quote, quote_plus

import pytest

from berlin_magic.errors import BerlinError, ServerError, clean
from berlin_magic.redaction import redacted, without_secrets

PASSWORD = 'pa ss"wörd\\<&>/é+1'


@pytest.mark.parametrize(
    "spelling",
    [
        PASSWORD,
        json.dumps(PASSWORD)[1:-1],
        json.dumps(PASSWORD, ensure_ascii=False)[1:-1],
        quote(PASSWORD, safe=""),
        quote_plus(PASSWORD),
        html.escape(PASSWORD),
    ],
)
def test_a_secret_is_found_in_every_spelling(spelling):
    assert without_secrets(f"a {spelling} b {spelling}", [PASSWORD]) == "a <secret> b <secret>"


def test_a_secret_that_was_cut_is_found_by_its_beginning():
    assert without_secrets("token 0123456", ["0123456789abcdef"]) == "token <secret>"
    assert without_secrets("token 0123456 … (7 more", ["0123456789abcdef"]) == "token <secret> … (7 more"


def test_a_secret_whose_blanks_were_joined_is_found():
    secret = "one  two\tthree"
    assert without_secrets(clean(f"got {secret}"), [secret]) == "got <secret>"


def test_a_secret_within_another_hides_both():
    assert "abcdef" not in without_secrets("abcdefgh abcdef", ["abcdef", "abcdefgh"])


def test_other_text_stays():
    assert without_secrets("token 0123x", ["0123456789abcdef"]) == "token 0123x"
    assert without_secrets("nothing here", []) == "nothing here"


def test_an_error_is_redacted_in_all_that_it_carries():
    error = redacted(ServerError("no abcdef!", code="abcdef", body="x abcdef", status=500), ["abcdef"])
    assert (str(error), error.code, error.body, error.status) == ("no <secret>!", "<secret>", "x <secret>", 500)


def test_words_as_short_as_an_article_are_not_searched_for():
    assert str(redacted(BerlinError("a code"), ["a", ""])) == "a code"


def test_frames_and_the_errors_before_it_are_dropped_with_what_they_hold():
    def fail() -> None:
        try:
            raise KeyError("record")
        except KeyError as first:
            raise BerlinError("x") from first

    with pytest.raises(BerlinError) as caught:
        fail()
    error = caught.value
    assert redacted(error, []) is error
    assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)
