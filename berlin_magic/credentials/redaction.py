"""Secrets taken out of an error: a server may repeat in its answer what it was sent, or what it knows of an account."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from html.entities import codepoint2name
from itertools import groupby
from typing import TypeVar

from berlin_magic.errors import BerlinError, clean

__all__ = ["quotable", "redacted", "untraced", "without_record", "without_secrets"]

_HIDDEN = "<secret>"

_HEAD = 6
"""A secret is found by its first characters, as a message may be cut in the middle of it."""

_END = 4  # its last characters, by which its end is found behind a spelling that is not known here
_REMOVED = {"Cf", "Cs", "Co", "Cn"}  # by `errors.clean`
_KIND = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*://|(?:Bearer|Basic|Token)\s)(?=.{4})", re.IGNORECASE)  # no secret itself
_ORDINARY = re.compile(r"[A-Za-z]{1,7}")  # a word that stands in many a message: EMPTY, ollama, secret
_BLANK = r"(?:\s|\+|%(?:25)*(?:20|2b|0[9ad])|\\{1,32}+(?:[tnr]|(?:u00|x)(?:20|0[9ad]))|&#0*(?:32|9|10|13);|&nbsp;)"
_BLANKS_WITH_PLUS = re.compile(r"(?:\s\+|\+\s)[\s+]*")  # are a row of blanks in a form
_CUT = re.compile(
    r"\s*\Z|[ \t]*\n|\s*… \(\d|…|\.{3}|”"
)  # by `errors.clean`, by a server, where our quote or a line ends
_DELIMITERS = frozenset('"<>”“')
_PUNCTUATION = _DELIMITERS | frozenset("_-.,;:/()[]{}`'!?")  # of running text, that begins no escape
_ESCAPES = frozenset("\\%&")
_PREFIX = r"\\{0,32}+"
"""Backslashes before a character: JSON's before quotes, PHP's before slashes, doubled by each JSON around it.

They are taken in one way only and not without end: a text of nothing but backslashes would take minutes otherwise.
"""


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with each of `secrets` replaced, whatever its spelling, also where its end is cut.

    Known are the escapes of JSON (also within JSON), Python, JavaScript, PHP, HTML and URLs. Where the spelling turns
    out to be another one in the middle of a secret, the rest of the word is replaced with it. Words that only begin
    like a secret stay, and an ordinary short word is looked for as a whole word, in its own case.
    """
    kept, start = "", 0
    for begin, end in _merged(span for secret in set(secrets) for span in _spans(text, str(secret))):
        kept += text[start:begin] + _HIDDEN
        start = end
    return kept + text[start:]


def _spans(text: str, secret: str) -> Iterator[tuple[int, int]]:
    """Yield where `secret` begins and ends in `text`."""
    secret = _KIND.sub("", secret).strip()
    chars = list(_characters(secret))
    if not chars:
        return
    if _ORDINARY.fullmatch(secret):
        before = r"(?:(?<![\w/-])(?<!\w\.)|(?<=%[0-9A-Fa-f][0-9A-Fa-f])|(?<=\\[nrt]))"
        yield from (found.span() for found in re.finditer(rf"{before}{secret}(?![\w/-]|[.:]\w)", text))
        return
    if not _ESCAPES.isdisjoint(chars):  # it may look like an escape itself, and be taken for what that stands for
        plain = "".join(r"\\{1,32}+" if char == "\\" else _PREFIX + re.escape(char) for char in chars)
        yield from (found.span() for found in re.finditer(plain, text))
    head = re.compile("".join(map(_spelled, chars[:_HEAD])), re.IGNORECASE)
    start = 0
    while (found := head.search(text, start)) and found.group():
        end = _end(text, found.end(), chars)
        if end is not None:
            yield found.start(), end
        start = found.start() + 1 if end is None else end


def _end(text: str, position: int, chars: list[str]) -> int | None:
    """Return where the secret of `chars` ends whose first ones end at `position`; None where it is another word."""
    for index in range(_HEAD, len(chars)):
        if found := re.compile(_spelled(chars[index]), re.IGNORECASE).match(text, position):
            position = found.end()
            continue
        if _CUT.match(text, position):
            return position
        if not _is_unknown_spelling(text, position, chars, index):
            return None
        rest = chars[index:]
        near = text[: position + 12 * (len(rest) + 1)]
        tail = re.compile("".join(map(_spelled, rest[-_END:])), re.IGNORECASE)
        if len(rest) >= _END and (found := tail.search(near, position)):
            return found.end()
        delimiters = _DELIMITERS - set(chars)
        while position < len(text) and not text[position].isspace() and text[position] not in delimiters:
            position += 1
        break
    return position


def _is_unknown_spelling(text: str, position: int, chars: list[str], index: int) -> bool:
    """Tell whether ``text[position]`` may spell ``chars[index]`` in a way not known here, and is no other word's."""
    char, before, expected = text[position], chars[index - 1], chars[index]
    if not _ESCAPES.isdisjoint(chars[index - 2 : index]):  # more than what spells it here may have been an escape
        return not char.isspace()
    if expected == "<":  # with which all up to the next ">" may have been taken out as a page's tag
        return True
    if char in _ESCAPES:
        return not re.compile(_BLANK, re.IGNORECASE).match(text, position)
    if char.isspace() or text[position - 1].isspace() or char in _PUNCTUATION - set(chars):
        return False
    return not expected.isascii() or (not char.isalnum() and not (before.isalnum() and expected.isalnum()))


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield `spans` in their order, those that overlap as one."""
    begin = end = -1
    for first, last in sorted(spans):
        if first >= end:
            if begin >= 0:
                yield begin, end
            begin, end = first, last
        end = max(end, last)
    if begin >= 0:
        yield begin, end


def _characters(secret: str) -> Iterator[str]:
    r"""Yield the characters of `secret`, a row of blanks as one, as `errors.clean` joins them, and one of ``\``."""
    for kind, chars in groupby(_BLANKS_WITH_PLUS.sub(" ", secret), _kind):
        yield from [kind] if kind else chars


def _kind(char: str) -> str:
    if char.isspace() or unicodedata.category(char) == "Cc":
        return " "
    return char if char == "\\" else ""


@cache  # of single characters, so that no secret is kept in it
def _spelled(char: str) -> str:
    """Return a pattern for the spellings of `char`, longer ones first, as the first to fit is taken."""
    if char == " ":
        return f"{_BLANK}*+"
    code = ord(char)
    surrogates = char.encode("utf-16-be", "surrogatepass").hex()
    escaped = [r"\\{1,32}+".join(f"u{surrogates[at : at + 4]}" for at in range(0, len(surrogates), 4))]
    escaped += [rf"u\{{0*{code:x}\}}", f"U{code:08x}"]
    words = [rf"&(?:amp;)*#0*{code};", rf"&(?:amp;)*#x0*{code:x};"]
    words += [f"&(?:amp;)*{codepoint2name[code]};"] if code in codepoint2name else []
    words += ["&(?:amp;)*apos;"] if char == "'" else []
    plain = [] if char == "\\" else [re.escape(char), re.escape(char.upper())]  # ß in capitals is SS
    for encoding in ("utf-8", "latin-1"):
        data = char.encode(encoding, "ignore" if encoding == "latin-1" else "surrogatepass")
        if data:
            words += ["%(?:25)*" + "%(?:25)*".join(f"{byte:02x}" for byte in data)]
            escaped += [r"\\{1,32}+".join(f"x{byte:02x}" for byte in data)]
            plain += [re.escape(data.decode("latin-1"))] if char != "\\" else []  # UTF-8 that was read as Latin-1
    plain += ["[?\ufffd]{1,4}"] if code > 0x7F else []  # noqa: PLR2004 - what is beyond ASCII, and could not be read
    if char == "\\":
        return rf"(?:\\{{1,32}}+(?:{'|'.join(escaped)})|{'|'.join(words)}|\\{{1,32}}+){{1,8}}+"
    # What comes behind a backslash may stand behind one that was taken for the secret's own.
    either = dict.fromkeys([rf"(?<=\\)(?:{'|'.join(escaped)})", *words, *plain])
    return f"(?:{_PREFIX}(?:{'|'.join(either)})){'?' if unicodedata.category(char) in _REMOVED else ''}"


_RECORD_HIDDEN = "<secret>"

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
_RECORD_CUT = re.compile(r"\n(?![\s\"'{}\[\]\\&%])| … \(\d+ more characters\)")  # a line that is none of an object's
_SHORTEST_RECORD = 4  # of what follows a name without quotes, to be a value and not punctuation
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
            kept += _RECORD_HIDDEN
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
        return end if quoted or end - position >= _SHORTEST_RECORD else position
    if _OPENING.match(text, position):
        return _end_of_object(text, position)
    found = _WORD.match(text, position)
    word = found.group() if found else ""
    if word.lower() in _NOTHING:
        return position
    if not quoted and (len(word) < _SHORTEST_RECORD or (sentence and not _TOKEN_LIKE.match(word))):
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
    found = _RECORD_CUT.search(text, position)
    return found.start() if found else len(text)


_SHORTEST = 4
"""Shorter ones are not looked for: they would be found in every second word, and hide it."""

_Error = TypeVar("_Error", bound=BerlinError)
_Raised = TypeVar("_Raised", bound=BaseException)


def redacted(error: _Error, secrets: Iterable[str]) -> _Error:
    """Return `error` itself, fit to be shown: without `secrets`, an account's record, and the frames that held them.

    Verbose tracebacks print the variables of each frame, and loggers follow ``__context__``: an account's record or
    a token in a request's headers is in reach of both. A provider of one's own raises its errors through it::

        raise redacted(error, [key]) from None

    Parameters
    ----------
    error : BerlinError
        Its message, notes and attributes are searched, in whatever spelling a server may have given a secret.
    secrets : iterable of str
        What was sent: keys, tokens, passwords. Of fewer than four characters they are not looked for.
    """
    wanted = [secret for secret in secrets if len(secret) >= _SHORTEST]

    def fit(value: object) -> object:
        return without_record(without_secrets(value, wanted)) if isinstance(value, str) else value

    error.args = tuple(fit(arg if isinstance(arg, int | None) else str(arg)) for arg in error.args)
    for name, value in vars(error).items():
        setattr(error, name, [fit(note) for note in value] if name == "__notes__" else fit(value))
    return untraced(error)


def untraced(error: _Raised) -> _Raised:
    """Return `error` itself without the frames that it came through, and the errors before it, with theirs."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
