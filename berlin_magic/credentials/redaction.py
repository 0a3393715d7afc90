"""Take secrets out of an error before anybody sees it.

A server may repeat in its answer what it was sent, in a spelling of its own: escaped for JSON, HTML or a URL, in
capitals, packed in base64, cut. So nothing here knows the spellings one by one. Text and secret are unescaped and
reduced to their letters and digits; a word of the text that then holds eight characters of the secret in a row is
hidden whole. That hides too much rather than too little.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from berlin_magic.credentials.account_record import HIDDEN, without_record
from berlin_magic.credentials.escapes import unescaped
from berlin_magic.errors import BerlinError

__all__ = ["redacted", "untraced", "without_secrets", "without_secrets_each"]

_SHORTEST = 4
"""Shorter ones are not looked for: they would be found in every second word, and hide it."""

_ROW = 8
"""So many letters and digits of a secret in a row are taken for it; all of them, if it has fewer."""

_HEAD = 6
"""So many of its first ones are, if the text was cut behind them."""

_WORD = re.compile(r'[^\s"<>“”…]+')
_CUT = re.compile(
    r"(?<=\.{3})|(?<![.,;:!?)])\s*(?:\Z|\n|…|”)"
)  # by `errors.clean`, a server, the end of a quote or line
_ORDINARY = re.compile(r"[A-Za-z]{1,7}")  # a word that stands in many a message: EMPTY, ollama, secret
_KIND = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*://|(?:Bearer|Basic|Token)\s)(?=.{4})", re.IGNORECASE)  # no secret itself
_HOST = re.compile(r"@[^@]*\Z")
_TAG = re.compile(r"<[^>]*(?:>|\Z)")

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
    wanted = list(secrets)

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


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with each word hidden that holds one of `secrets`, or a part of one, whatever its spelling.

    Parameters
    ----------
    text : str
        Anything a server may have had a part in.
    secrets : iterable of str
        Those of fewer than four characters are not looked for. An ordinary short word (``EMPTY``) is looked for as a
        whole word, in its own case.
    """
    kept, start = "", 0
    for begin, end in sorted(_spans(text, {str(secret) for secret in secrets if len(secret) >= _SHORTEST})):
        if end > start:
            joined = kept.endswith(HIDDEN) and not text[start:begin].strip()
            kept += "" if joined else text[start:begin] + HIDDEN
            start = end
    return kept + text[start:]


def without_secrets_each(texts: Iterable[str], secrets: Iterable[str]) -> list[str]:
    """Return the lines of `texts` without `secrets`, as `without_secrets`: a server's list of models, for one."""
    return list(filter(None, without_secrets("\n".join(texts), secrets).split("\n")))


def _spans(text: str, secrets: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each of `secrets`, or of a part of it, in `text`."""
    rows: dict[int, set[str]] = {}
    for secret in secrets:
        bare = _HOST.sub("", _KIND.sub("", secret)) if "://" in secret else _KIND.sub("", secret).strip()
        if _ORDINARY.fullmatch(bare):
            before = r"(?:(?<![\w/-])(?<!\w\.)|(?<=%[0-9A-Fa-f][0-9A-Fa-f])|(?<=\\[nrt]))"
            yield from (found.span() for found in re.finditer(rf"{before}{bare}(?![\w/-]|[.:]\w)", text))
            continue
        for row in _rows(bare):
            rows.setdefault(len(row), set()).add(row)
    words = list(_WORD.finditer(text)) if rows else []
    ends = [_CUT_OFF if _CUT.match(text, word.end()) else "" for word in words]
    for kept in _READINGS:
        pieces = [_reduced(word.group(), kept) + end for word, end in zip(words, ends, strict=True)]
        joined = "".join(pieces)
        owners = [word for word, piece in zip(words, pieces, strict=True) for _ in piece]
        for size, known in rows.items():
            for end in range(size, len(joined) + 1):
                if joined[end - size : end] in known:
                    yield owners[end - size].start(), owners[end - 1].end()


def _rows(secret: str) -> Iterator[str]:
    """Yield the rows of characters by which `secret` is known."""
    letters = _reduced(secret, str.isalnum)
    if len(letters) < _HEAD:
        if len(whole := _reduced(secret, _READINGS[0])) >= _SHORTEST - 1:
            yield whole
        return
    yield from (letters[:size] + _CUT_OFF for size in range(_HEAD, _ROW))
    for form in _forms(secret):
        size = min(_ROW, len(form))
        yield from (form[at : at + size] for at in range(len(form) - size + 1) if size >= _HEAD)


def _forms(secret: str) -> Iterator[str]:
    """Yield the letters and digits of what a server may make of `secret`."""
    data = secret.encode("utf-8", "surrogatepass")
    for spelled in {secret, _TAG.sub("", secret), data.decode("latin-1")}:  # without a page's tags; read wrongly
        yield from (_reduced(spelled, kept) for kept in _READINGS[1:])
    packed = [data.hex()]
    for before in range(3):  # bytes before it, such as a user name's: of what they take part in nothing is known
        whole = b64encode(bytes(before) + data).decode()
        packed.append(whole[-(-before * 8 // 6) : (before + len(data)) * 8 // 6])
    with suppress(ValueError):
        packed.append(b64decode(secret, validate=True).decode())  # a header's "Basic …"
    yield from (form for form in (_reduced(each, str.isalnum) for each in packed) if len(form) >= _ROW)


def _reduced(text: str, kept: Callable[[str], object]) -> str:
    return "".join(filter(kept, unescaped(text).casefold()))


_CUT_OFF = "\n"  # stands behind a word that may have been cut, so that no row goes on in the next one
_READINGS: tuple[Callable[[str], object], ...] = (
    _WORD.match,
    str.isalnum,
    lambda char: char.isalnum() and char.isascii(),  # for what could not be read, and has become "?" or "Ã"
)
