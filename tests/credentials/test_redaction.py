"""No secret leaves with an error, however the server spells it and wherever its words are cut."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from berlin_magic.credentials.redaction import redacted, without_secrets
from berlin_magic.errors import BerlinError, ServerError, clean

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


TYPED = "Tr0ub4dor!&3'x/Q-é\U0001f511-tail77"


@pytest.mark.parametrize(
    "spelling",
    [
        quote(TYPED, safe="!'()*~"),  # JavaScript's encodeURIComponent
        quote(TYPED).lower(),
        quote(quote(TYPED, safe=""), safe=""),
        html.escape(TYPED).replace("&#x27;", "&#39;"),  # Express
        html.escape(TYPED).replace("é", "&eacute;"),
        json.dumps(TYPED).replace("/", "\\/")[1:-1],  # PHP
        json.dumps(TYPED).replace("00e9", "00E9")[1:-1],
        json.dumps(json.dumps(TYPED))[1:-1],
        json.dumps(json.dumps({"a": json.dumps(TYPED)}).replace("/", "\\/"))[12:-7],
        repr(TYPED.encode())[2:-1],
        ascii(TYPED)[1:-1],
        TYPED.encode().decode("latin-1"),
        TYPED.encode().decode("ascii", "replace"),
        TYPED.upper(),
    ],
)
def test_a_secret_is_found_whole_as_other_programs_spell_it(spelling):
    shown = without_secrets(f"a {spelling} b", [TYPED])
    assert shown.replace("\\", "").replace('"', "") == "a <secret> b"


def test_a_token_in_capitals_is_found():
    assert without_secrets("no token 0123ABCDEF4567 !", ["0123abcdef4567"]) == "no token <secret> !"
    assert without_secrets("got STRASSE-12345 !", ["straße-12345"]) == "got <secret> !"


def test_where_the_spelling_gets_unknown_the_rest_is_hidden_too():
    assert without_secrets("a Tr0ub4dor!~amp~3'x/Q-tail77 b", ["Tr0ub4dor!&3'x/Q-tail77"]) == "a <secret> b"
    assert without_secrets("<p>Tr0ub4dor!~amp~</p> b", ["Tr0ub4dor!&3'x/Q-tail77"]) == "<p><secret></p> b"
    assert without_secrets("a Tr0ub4 -tail77 b", ["Tr0ub4<3'x>-tail77"]) == "a <secret> b"  # taken for a page's tag
    assert without_secrets("a correct~20horse battery b", ["correct horse battery"]) == "a <secret> b"


@pytest.mark.parametrize("kind", ["http://", "Bearer ", "Basic ", "socks5://"])
def test_what_kind_of_a_secret_it_is_hides_nothing_else(kind):
    text = f"{kind}harmless http://127.0.0.1 Bearer token"
    assert without_secrets(text, [f"{kind}ada:canary"]) == text
    shown = without_secrets(f"got {kind}ada:canary .", [f"{kind}ada:canary"])
    assert shown in {f"got {kind}<secret> .", "got <secret> ."}


def test_what_stands_in_one_word_with_a_secret_is_hidden_with_it():
    """It is not known what else of it belongs to the secret."""
    assert without_secrets("see http://x/?key=sk-abc123456&a=1, or ask.", ["sk-abc123456"]) == "see <secret> or ask."


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("key", ["sk-canary-0123456789", "pässword-1234"])
@pytest.mark.parametrize(
    "spell",
    [
        packed,
        lambda key: packed(f"{key}\n"),
        lambda key: packed(f"ada:{key}"),
        lambda key: packed(f"ada@x:{key}"),
        lambda key: packed(f"someone:{key}:more"),
        lambda key: base64.urlsafe_b64encode(f"o:{key}".encode()).decode().rstrip("="),
        lambda key: packed(f"ada:{key}").lower(),
        lambda key: quote(packed(f"ada:{key}"), safe=""),
        lambda key: key.encode().hex(),
        lambda key: f"Basic {packed(f'ada:{key}')}",
        lambda key: key[3:],
        lambda key: key[:-4],
        lambda key: f"{key[:-3]}***",
    ],
)
def test_a_secret_that_was_packed_or_is_not_whole_is_hidden(key, spell):
    shown = without_secrets(f"a {spell(key)} b", [key])
    assert shown in {"a <secret> b", "a Basic <secret> b"}


def test_a_header_with_user_and_password_is_found_unpacked():
    assert without_secrets("not you, ada:canary-77", [f"Basic {packed('ada:canary-77')}"]) == "not you, <secret>"


SPELLINGS = [
    str,
    str.upper,
    repr,
    ascii,
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: json.dumps(json.dumps(text)),
    lambda text: json.dumps(text).replace("/", "\\/"),
    quote,
    lambda text: quote(quote(text, safe="")),
    quote_plus,
    html.escape,
    lambda text: html.escape(html.escape(text)),
    lambda text: html.escape(json.dumps(text)),
    lambda text: json.dumps(html.escape(text)),
    lambda text: text.encode("utf-8", "replace").decode("latin-1"),
    clean,
]


@given(
    st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=12, max_size=40),
    st.sampled_from(SPELLINGS),
    st.integers(0, 60),
)
def test_no_row_of_a_secret_is_left_however_it_is_spelled_and_cut(secret, spell, cut):
    shown = without_secrets(f"it was: {spell(secret)[:cut]}… done", [secret])
    letters = "".join(filter(str.isalnum, secret)).casefold()
    left = "".join(filter(str.isalnum, shown)).casefold()
    if len(letters) >= 8:
        assert not any(letters[at : at + 8] in left for at in range(len(letters) - 7))


def test_secrets_that_overlap_are_both_hidden():
    assert without_secrets("x abcdefghijkl y", ["abcdefgh", "efghijkl"]) == "x <secret> y"


def test_a_secret_of_characters_that_nobody_sees_is_no_endless_search():
    assert without_secrets("a b", ["\u200b" * 8]) == "a b"
    assert without_secrets("a abcdefgh b", ["abc\u200bdefgh"]) == "a <secret> b"


def test_a_secret_that_was_cut_is_found_by_its_beginning():
    assert without_secrets("token 0123456", ["0123456789abcdef"]) == "token <secret>"
    assert without_secrets("token 0123456 … (7 more", ["0123456789abcdef"]) == "token <secret> … (7 more"


def test_a_secret_whose_blanks_were_joined_is_found():
    secret = "one  two\tthree"
    assert without_secrets(clean(f"got {secret}"), [secret]) == "got <secret>"


def test_blanks_beside_a_plus_are_found():
    for secret in ("abcde f +gh12", "ab ++ cdefgh12", "abcdefg+ h12"):
        for spelling in (secret, quote(secret), quote_plus(secret)):
            assert without_secrets(f"a {spelling} b", [secret]) == "a <secret> b"


def test_a_secret_within_another_hides_both():
    assert "abcdef" not in without_secrets("abcdefgh abcdef", ["abcdef", "abcdefgh"])


def test_other_text_stays():
    assert without_secrets("token 0123x", ["0123456789abcdef"]) == "token 0123x"
    assert without_secrets("nothing here", []) == "nothing here"


ADVICE = (
    "“wrong password”: check BERLIN_ACCOUNT and BERLIN_PASSWORD or `%berlin login` anew; an empty body; the secret's "
    "token-limit; `ollama/llama3` at ollama:11434; Passwords; SECRET (HTTP 406)."
)


@pytest.mark.parametrize(
    "secret", ["berlin2024", "Berlin-2024", "berlin 2024", "Passwort1", "EMPTY", "token-abc123", "ollama", "check-in!"]
)
def test_words_that_only_begin_like_a_secret_stay(secret):
    assert without_secrets(ADVICE, [secret]) == ADVICE


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("got EMPTY, an empty body", "got <secret>, an empty body"),
        ('{"key": "EMPTY"}', '{"key": "<secret>"}'),
        ("http://ada:EMPTY@x/?key=EMPTY&b", "http://ada:<secret>@x/?key=<secret>&b"),
        ("key%3DEMPTY%26", "key%3D<secret>%26"),
        (r"a\nEMPTY\nb", r"a\n<secret>\nb"),
        ("EMPTYING EMPTY.", "EMPTYING <secret>."),
    ],
)
def test_an_ordinary_short_word_is_hidden_where_it_stands_alone_in_its_own_case(text, shown):
    assert without_secrets(text, ["EMPTY"]) == shown


@pytest.mark.parametrize(
    "end", ["", "\n", " … (7 more characters)\nDo this.", "…", "... more", "” (HTTP 500)", "\nDo this."]
)
@pytest.mark.parametrize("begin", ["sk-abc1", "sk-abc1234"])
def test_a_secret_is_hidden_by_its_beginning_where_the_text_was_cut(begin, end):
    assert without_secrets(f"got {begin}{end}", ["sk-abc123456789"]) == f"got <secret>{end.removeprefix('...')}"


def test_a_secret_behind_a_word_that_begins_like_it_is_found():
    assert without_secrets("sk-sk-sk-sk-abc1", ["sk-sk-sk-abc1"]) == "<secret>"
    assert without_secrets("berlin berlin2024 berlin.", ["berlin2024"]) == "berlin <secret> berlin."


@pytest.mark.parametrize(
    "secret", [r"ab\x5ccd-12345", r"abcdefg%25xy12", "abcdefg&amp;xy12", r"\\server\share12", r"a\é\"b'c"]
)
def test_a_secret_that_looks_like_an_escape_is_found_in_every_spelling(secret):
    within = json.dumps(json.dumps(secret)[1:-1])[1:-1]
    for spelling in (secret, json.dumps(secret)[1:-1], within, quote(secret, safe=""), html.escape(secret)):
        assert without_secrets(f"a {spelling} b", [secret]) == "a <secret> b"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "secret", [r"\\server\share12", r"ab\cdefgh12", "\\\\\\\\abcdef", "sk-abcdef1234", "\\ \\ \\ ab12"]
)
@pytest.mark.parametrize("piece", ["\\", "\\ ", "%5c", "%25", "&amp;", "\\u005c", " "])
def test_a_text_of_nothing_but_escapes_takes_no_long_search(secret, piece):
    without_secrets(piece * 20_000, [secret])


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


def test_notes_and_attributes_of_another_packages_error_are_redacted_too():
    class LineError(BerlinError):
        pass

    error = LineError("no", status=500)
    error.answer = "abcdef"  # type: ignore[attr-defined]
    error.add_note("it said abcdef")
    told = redacted(error, ["abcdef"])
    assert "abcdef" not in repr(vars(told))
    assert told.status == 500


def test_an_accounts_record_is_redacted_without_being_known():
    assert "canary" not in str(redacted(BerlinError('got {"token": "canary"}'), []))


def test_it_is_there_for_other_packages_providers():
    import berlin_magic

    assert berlin_magic.redacted is redacted
