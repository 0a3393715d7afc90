"""Join characters that a server has split in two, as JSON's escapes allow."""

from __future__ import annotations

__all__ = ["WholeCharacters"]


class WholeCharacters:
    """Join the halves of a character (a surrogate pair) that a server sent in two pieces.

    Servers that split JavaScript or Java strings do so. A half without the other becomes U+FFFD, as it can't be printed
    or saved.
    """

    def __init__(self) -> None:
        self._half = ""  # the first half of a character whose second is still to come

    def take(self, piece: str, *, last: bool = False) -> str:
        """Return `piece` with whole characters; half of one at its end is held back, unless it is the `last` piece."""
        if piece.isascii() and not self._half:
            return piece
        text = self._half + piece
        self._half = ""
        if text and not last and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
