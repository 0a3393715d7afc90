"""Remove secrets from errors and other texts.

A server may repeat in its answer what it was sent, in another form: escaped for JSON, HTML or a URL, in capitals, in
base64, cut. There is no list of such forms here. Text and secret are unescaped and reduced to their letters and digits;
a word of the text that then holds eight consecutive characters of the secret is hidden as a whole. That hides too much
rather than too little.
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
"""The least characters of a secret that is searched for. Shorter ones would be found in many words."""

_ROW = 8
"""The consecutive letters and digits of a secret that are hidden; all of them, if it has fewer."""

_HEAD = 6
"""The first letters and digits of a secret that are hidden before a cut."""

_WORD = re.compile(r'[^\s"<>“”…]+')
_CUT = re.compile(
    r"(?<=\.{3})|(?<![.,;:!?)])\s*(?:\Z|\n|…|”)"
)  # by `errors.clean`, a server, the end of a quote or line
_ORDINARY = re.compile(r"[A-Za-z]{1,7}")  # a word that many messages contain: EMPTY, ollama, secret
_KIND = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*://|(?:Bearer|Basic|Token)\s)(?=.{4})", re.IGNORECASE)  # not a secret
_HOST = re.compile(r"@[^@]*\Z")
_TAG = re.compile(r"<[^>]*(?:>|\Z)")

_Error = TypeVar("_Error", bound=BerlinError)
_Raised = TypeVar("_Raised", bound=BaseException)


def redacted(error: _Error, secrets: Iterable[str]) -> _Error:
    """Return `error` itself, safe to show: without `secrets`, an account's record, and the frames that held them.

    Verbose tracebacks print the variables of each frame, and loggers follow ``__context__``: an account's record or
    a token in a request's headers can be in both. A provider in another package raises its errors with it::

        raise redacted(error, [key]) from None

    Parameters
    ----------
    error : BerlinError
        Its message, notes and attributes are searched, whatever the form of a secret in them.
    secrets : iterable of str
        What was sent: keys, tokens, passwords. Those of fewer than four characters are not searched for.
    """
    wanted = list(secrets)

    def safe(value: object) -> object:
        return without_record(without_secrets(value, wanted)) if isinstance(value, str) else value

    error.args = tuple(safe(arg if isinstance(arg, int | None) else str(arg)) for arg in error.args)
    for name, value in vars(error).items():
        setattr(error, name, [safe(note) for note in value] if name == "__notes__" else safe(value))
    return untraced(error)


def untraced(error: _Raised) -> _Raised:
    """Return `error` itself without its traceback, cause and context."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with each word hidden that holds one of `secrets`, or a part of one, in whatever form.

    Parameters
    ----------
    text : str
        Any text that may come from a server.
    secrets : iterable of str
        Those of fewer than four characters are not searched for. An ordinary short word (``EMPTY``) is searched for as
        a whole word, with its case.
    """
    kept, start = "", 0
    for begin, end in sorted(_spans(text, {str(secret) for secret in secrets if len(secret) >= _SHORTEST})):
        if end > start:
            joined = kept.endswith(HIDDEN) and not text[start:begin].strip()
            kept += "" if joined else text[start:begin] + HIDDEN
            start = end
    return kept + text[start:]


def without_secrets_each(texts: Iterable[str], secrets: Iterable[str]) -> list[str]:
    """Return the lines of `texts` without `secrets`, as `without_secrets`, such as a server's list of models."""
    return list(filter(None, without_secrets("\n".join(texts), secrets).split("\n")))


def _spans(text: str, secrets: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each of `secrets`, or of a part of one, in `text`."""
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
    """Yield the consecutive characters by which `secret` is found."""
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
    """Yield the letters and digits of the forms that a server may give `secret`."""
    data = secret.encode("utf-8", "surrogatepass")
    for spelled in {
        secret,
        _TAG.sub("", secret),
        data.decode("latin-1"),
    }:  # without a page's tags; in the wrong encoding
        yield from (_reduced(spelled, kept) for kept in _READINGS[1:])
    packed = [data.hex()]
    for before in range(3):  # bytes before it, such as those of a user name, which are not known
        whole = b64encode(bytes(before) + data).decode()
        packed.append(whole[-(-before * 8 // 6) : (before + len(data)) * 8 // 6])
    with suppress(ValueError):
        packed.append(b64decode(secret, validate=True).decode())  # a header's "Basic …"
    yield from (form for form in (_reduced(each, str.isalnum) for each in packed) if len(form) >= _ROW)


def _reduced(text: str, kept: Callable[[str], object]) -> str:
    return "".join(filter(kept, unescaped(text).casefold()))


_CUT_OFF = "\n"  # after a word that may have been cut, so that no match goes on in the next word
_READINGS: tuple[Callable[[str], object], ...] = (
    _WORD.match,
    str.isalnum,
    lambda char: char.isalnum() and char.isascii(),  # for characters that were not decoded, and became "?" or "Ã"
)
