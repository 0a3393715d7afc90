"""Join characters that a server cut in two: JSON's escapes can spell half of one."""

from __future__ import annotations

__all__ = ["WholeCharacters"]


class WholeCharacters:
    """Join the halves of a character (a surrogate pair) that a server sent in two pieces.

    A server that cuts JavaScript or Java strings does so. A half that stays alone becomes U+FFFD, as it can be
    neither printed nor saved.
    """

    def __init__(self) -> None:
        self._half = ""  # the first half of a character whose second is still to come

    def take(self, piece: str, *, last: bool = False) -> str:
        """Return `piece` with whole characters; half of one at its end waits, unless it is the `last` piece."""
        if piece.isascii() and not self._half:
            return piece
        text = self._half + piece
        self._half = ""
        if text and not last and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
