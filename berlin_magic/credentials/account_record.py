"""Remove an account's record from messages.

A Berlin server sends it with every login, and other servers print it.
"""

from __future__ import annotations

import re
from bisect import bisect

from berlin_magic.credentials.escapes import unescaped
from berlin_magic.errors import clean

__all__ = ["HIDDEN", "quotable", "without_record"]

HIDDEN = "<secret>"
"""The replacement of a secret."""

_SEARCHED = 20_000  # characters of an answer, of which only the beginning is quoted

_TOKENS = r"(?:access_?|refresh_?|id_?|auth_?|session_?)?token"
_OTHERS = (
    "user_?info|password(?:_?hash)?|passwd|pwd|(?:client_?|last_?)?ip|api_?key|secret|set-cookie|cookie|authorization"
)
_FIELD = re.compile(
    rf"""(?<![\w-])(?:
      (?:{_TOKENS}|{_OTHERS})["']\s*(?::|=>?)[\s+]*(?!(?:null|none|true|false|undefined)\b)(?=\S)  # of an object
    | (?:{_TOKENS}|{_OTHERS})=(?!(?:null|none|true|false|undefined)\b)(?=[^\s&;\#]{{4}})           # of a query
    | (?:{_OTHERS})\s*(?::|=>?)\s*(?=["'][^"']{{2}}|[\[{{]|(?:Bearer|Basic)\s|[^\s,;]{{20}}|(?=[^\s,;]*\d)[^\s,;]{{4}})
    # The token of a parser or a model is not a secret: "unexpected token: 'endfor'", "token: 4097".
    | {_TOKENS}\s*(?::|=>?)\s*(?:Bearer\s)?
      (?=["']?[^\s"']{{20}}|["']?(?=[^\s"']*\d)(?=[^\s"']*[a-z])[^\s"']{{8}}|["'][^"']*\Z|[\[{{])
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_WORD = re.compile(r"\S+\s*|\s+")
# The end of an object that was cut: at the note of `errors.clean`, or at a line that is not part of an object.
_END = re.compile(r"(?=\n(?![\s\"'{}\[\]\\&%])| … \(\d+ more characters\))")


def quotable(text: str, limit: int = 300) -> str:
    """Return a server's text as one line to quote: as `errors.clean`, and without the fields of an account."""
    return clean(without_record(text[:_SEARCHED]) + text[_SEARCHED:], limit)


def without_record(text: str) -> str:
    """Return `text` without a ``token``, ``password``, ``ip``, ``user_info`` or the like, and all that follows it.

    They are found in JSON, in printed objects and in the query of an address, whatever the escapes. What follows may
    belong to the same record; the lines after it stay.
    """
    return "".join(map(_up_to_record, _END.split(text)))


def _up_to_record(text: str) -> str:
    plain, begins, places = "", [], []
    for word in _WORD.finditer(text):
        begins.append(word.start())
        places.append(len(plain))
        plain += unescaped(word.group())
    found = _FIELD.search(plain)
    return text[: begins[bisect(places, found.end()) - 1]] + HIDDEN if found else text
