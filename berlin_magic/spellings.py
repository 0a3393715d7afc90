"""A secret in a text, found however it is spelled there: escaped, encoded, in capitals, or with its end cut."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from html.entities import codepoint2name
from itertools import groupby

__all__ = ["without_secrets"]

_HIDDEN = "<secret>"

_HEAD = 6
"""A secret is found by its first characters, as a message may be cut in the middle of it."""

_END = 4  # its last characters, by which its end is found behind a spelling that is not known here
_REMOVED = {"Cf", "Cs", "Co", "Cn"}  # by `errors.clean`
_KIND = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*://|(?:Bearer|Basic|Token)\s)(?=.{4})", re.IGNORECASE)  # no secret itself
_BLANK = r"(?:\s|\+|%(?:25)*(?:20|0[9ad])|\\+(?:[tnr]|(?:u00|x)(?:20|0[9ad]))|&#0*(?:32|9|10|13);|&nbsp;)+"
_DELIMITERS = frozenset('"<>”“')


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with each of `secrets` replaced, whatever its spelling, also where its end is cut.

    Known are the escapes of JSON (also within JSON), Python, JavaScript, PHP, HTML and URLs. Where the spelling turns
    out to be another one in the middle of a secret, the rest of the word is replaced with it.
    """
    kept, start = "", 0
    for begin, end in _merged(span for secret in set(secrets) for span in _spans(text, str(secret))):
        kept += text[start:begin] + _HIDDEN
        start = end
    return kept + text[start:]


def _spans(text: str, secret: str) -> Iterator[tuple[int, int]]:
    """Yield where `secret` begins and ends in `text`."""
    spelled = [_spelled(char) for char in _characters(_KIND.sub("", secret))]
    if not spelled:
        return
    head = re.compile("".join(spelled[:_HEAD]), re.IGNORECASE)
    start = 0
    while (found := head.search(text, start)) and found.group():
        start = _end(text, found.end(), spelled[_HEAD:], secret)
        yield found.start(), start


def _end(text: str, position: int, spelled: list[str], secret: str) -> int:
    """Return where the secret ends whose first characters end at `position`, and whose others are `spelled`."""
    for index, pattern in enumerate(spelled):
        if found := re.compile(pattern, re.IGNORECASE).match(text, position):
            position = found.end()
            continue
        rest = spelled[index:]
        near = text[: position + 12 * (len(rest) + 1)]
        if len(rest) >= _END and (tail := re.compile("".join(rest[-_END:]), re.IGNORECASE).search(near, position)):
            return tail.end()
        delimiters = _DELIMITERS - set(secret)
        while position < len(text) and not text[position].isspace() and text[position] not in delimiters:
            position += 1
        break
    return position


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
    """Yield the characters of `secret`, a row of blanks as one, as `errors.clean` joins them."""
    for blank, chars in groupby(secret.strip(), lambda char: char.isspace() or unicodedata.category(char) == "Cc"):
        yield from [" "] if blank else chars


@cache  # of single characters, so that no secret is kept in it
def _spelled(char: str) -> str:
    """Return a pattern for the spellings of `char`."""
    if char == " ":
        return (
            r"(?:\s|\+|%(?:25)*(?:20|0[9ad])|\\+(?:[tnr]|u00(?:20|0[9ad])|x(?:20|0[9ad]))|&#0*(?:32|9|10|13);|&nbsp;)*"
        )
    code = ord(char)
    words = [rf"\\*{re.escape(char)}"]  # JSON escapes quotes and backslashes, PHP slashes; within JSON once more
    if char == "\\":
        words = [r"\\+"]
    surrogates = char.encode("utf-16-be", "surrogatepass").hex()
    words += [r"\\+" + r"\\+".join(f"u{surrogates[at : at + 4]}" for at in range(0, len(surrogates), 4))]
    words += [rf"\\+u\{{0*{code:x}\}}", rf"\\+U0*{code:x}(?![0-9a-f])", rf"&#0*{code};", rf"&#x0*{code:x};"]
    words += [f"&(?:amp;)*{codepoint2name[code]};"] if code in codepoint2name else []
    words += ["&(?:amp;)*apos;"] if char == "'" else []
    for encoding in ("utf-8", "latin-1"):
        data = char.encode(encoding, "ignore" if encoding == "latin-1" else "surrogatepass")
        if data:
            words += ["%(?:25)*" + "%(?:25)*".join(f"{byte:02x}" for byte in data)]
            words += [r"\\+x" + r"\\+x".join(f"{byte:02x}" for byte in data)]
            words += [re.escape(data.decode("latin-1"))]  # UTF-8 that was read as Latin-1
    words += ["[?\ufffd]{1,4}"] if code > 0x7F else []  # noqa: PLR2004 - what is beyond ASCII, and could not be read
    return f"(?:{'|'.join(dict.fromkeys(words))}){'?' if unicodedata.category(char) in _REMOVED else ''}"
