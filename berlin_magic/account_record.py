"""An account's record, which no message quotes: a server may answer anything with it, in any wrapping."""

from __future__ import annotations

import re

from berlin_magic.errors import clean

__all__ = ["quotable", "without_record"]

_HIDDEN = "<secret>"

_LOOKED_AT = 20_000  # characters of an answer; only its beginning is quoted

# A quote as it is spelled in JSON or Python, in JSON within JSON, in HTML, in a URL.
_QUOTE = r"""\\*["']|&(?:amp;)*(?:quot|apos|\#0*3[49]|\#x0*2[27]);|%(?:25)*2[27]"""
_NAMES = (
    "user_?info|(?:access_?|refresh_?|id_?|auth_?|session_?)?token|password(?:_?hash)?|passwd|pwd|(?:client_?|last_?)?ip"
    "|api_?key|secret|set-cookie|cookie|authorization"
)
_FIELD = re.compile(
    rf"""(?:(?<![\w-])|(?<=%[0-9a-f][0-9a-f]))(?P<name>{_NAMES})(?![\w-])(?P<quote>{_QUOTE})?
    \s*(?P<is>:|=>?|%(?:25)*3[ad])(?:\s|%(?:25)*20|\+)*""",
    re.IGNORECASE | re.VERBOSE,
)
_OPENING = re.compile(r"[{\[]|%(?:25)*[57]b", re.IGNORECASE)
_TOKEN = re.compile(
    rf"(?P<quote>{_QUOTE})|(?P<open>[{{\[]|%(?:25)*[57]b)|(?P<close>[}}\]]|%(?:25)*[57]d)", re.IGNORECASE
)
_WORD = re.compile(r"(?:Bearer\s+|Basic\s+)?[^\s,;&#<>\"'“”()\[\]{}\\]*", re.IGNORECASE)
_CUT = re.compile(r"\n(?![\s\"'{}\[\]\\&%])| … \(\d+ more characters\)")  # a line that is none of an object's
_SHORTEST = 4  # of what follows a name without quotes, to be a value and not punctuation
_TOKEN_LIKE = re.compile(r".*\d|.{20}")  # and no word of a sentence, such as "password: required"
_TOKEN_OF_A_LOGIN = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])\S{8,}|\S{20,}")  # and none of a parser: token: 'endfor'
_NOTHING = {"null", "none", "true", "false", "undefined"}


def quotable(text: str, limit: int = 300) -> str:
    """Return what a server said as one line to be quoted: as `errors.clean`, and without the fields of an account."""
    hidden = without_record(text[:_LOOKED_AT])
    return clean(hidden + text[_LOOKED_AT:], limit)


def without_record(text: str) -> str:
    """Return `text` with the values of ``token``, ``password``, ``ip``, ``user_info`` and the like replaced.

    They are found in JSON, whole or cut, in what programs print of their objects, and in the query of an address.
    """
    kept, start = "", 0
    while found := _FIELD.search(text, start):
        quoted, sentence = found["quote"] is not None, found["is"] == ":"
        end = _end_of_value(text, found.end(), quoted=quoted, sentence=sentence)
        prose = not quoted and (sentence or bool(re.search(r"\s", found.group())))
        if prose and found["name"].lower() == "token" and _is_a_parsers(text, found.end(), end):
            end = found.end()
        kept += text[start : found.end()]
        if end > found.end():
            kept += _HIDDEN
        start = max(end, found.end())
    return kept + text[start:]


def _end_of_value(text: str, position: int, *, quoted: bool, sentence: bool) -> int:
    """Return where the value that begins at `position` ends; `position` itself where it is none that matters.

    Parameters
    ----------
    text, position
        Where the value would begin.
    quoted : bool
        Whether the name before it stood in quotes.
    sentence : bool
        Whether there was a colon between them, so that without quotes it may be prose.
    """
    if quote := re.compile(_QUOTE, re.IGNORECASE).match(text, position):
        end = _end_of_string(text, quote.end(), quote.group())
        return end if quoted or end - position >= _SHORTEST else position
    if _OPENING.match(text, position):
        return _end_of_object(text, position)
    found = _WORD.match(text, position)
    word = found.group() if found else ""
    if word.lower() in _NOTHING:
        return position
    if not quoted and (len(word) < _SHORTEST or (sentence and not _TOKEN_LIKE.match(word))):
        return position
    return position + len(word)


def _is_a_parsers(text: str, start: int, end: int) -> bool:
    """Tell whether the token from `start` to `end` is one that a parser or a model speaks of, and opens no account."""
    if _OPENING.match(text, start):
        return False
    value, quote = text[start:end], re.compile(_QUOTE, re.IGNORECASE).match(text, start)
    if quote:
        if not value[quote.end() - start :].endswith(quote.group()):  # cut, so that its length tells nothing
            return False
        value = value[quote.end() - start : -len(quote.group())]
    return not _TOKEN_OF_A_LOGIN.fullmatch(value.removeprefix("Bearer ").strip())


def _end_of_string(text: str, position: int, quote: str) -> int:
    """Return the place behind the quote that closes a string: one spelled as that which has opened it."""
    closing = re.compile(rf"(?<!\\)(?<!%5c){re.escape(quote)}", re.IGNORECASE)
    found = closing.search(text, position)
    return found.end() if found else _end_of_what_is_cut(text, position)


def _end_of_object(text: str, position: int) -> int:
    depth, start = 0, position
    while found := _TOKEN.search(text, position):
        position = found.end()
        if found["quote"]:
            position = _end_of_string(text, position, found["quote"])
        elif found["open"]:
            depth += 1
        else:
            depth -= 1
            if not depth:
                return position
    return _end_of_what_is_cut(text, start)


def _end_of_what_is_cut(text: str, position: int) -> int:
    found = _CUT.search(text, position)
    return found.start() if found else len(text)
