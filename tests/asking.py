"""What comes of asking a provider: the pieces, the error, and what holds of every error."""

from __future__ import annotations

import re
import traceback
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from berlin_magic.errors import BerlinError
from berlin_magic.messages import Event, Text

ACCOUNT = "ada@example.org"
PASSWORD = 'canary-password-é"<&>-7c1f'
TOKEN = "canary-token-51b0e0a2c9"
NEW_TOKEN = "canary-renewed-token-88d1"
RECORD = {"password": "canary-hash-0192023a7bbd", "ip": "203.0.113.77", "integral": 899999}
CANARIES = (PASSWORD, TOKEN, NEW_TOKEN, RECORD["password"], RECORD["ip"], "canary")

HELLO = [{"role": "user", "content": "Hello"}]


@dataclass
class Outcome:
    pieces: list[str]
    error: BerlinError | None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def failure(self) -> BerlinError:
        assert self.error is not None, f"no error; the text was {self.text!r}"
        return self.error


async def outcome(generator: AsyncGenerator[str, None] | AsyncGenerator[Event, None]) -> Outcome:
    """Read the text that `generator` yields to its end; an error is held to the rules that hold for all of them."""
    pieces: list[str] = []
    try:
        async with aclosing(generator):
            async for item in generator:
                piece = item if isinstance(item, str) else item.text if isinstance(item, Text) else None
                assert piece != ""
                if piece is not None:
                    pieces.append(piece)
    except BerlinError as error:
        assert_fit_to_be_shown(error)
        assert_no_secret(*_told_by_tracebacks(error))
        return Outcome(pieces, error)
    return Outcome(pieces, None)


TO_DO = re.compile(
    r"\b(add|allow|ask|begin|check|choose|give|install|log in|name|raise|read|run|see|set|start|tell|top it up|try|use"
    r"|wait|did you mean)\b|`%",
    re.IGNORECASE,
)
"""What is in the last line of a message: something to do, or the magic that does it."""


def assert_fit_to_be_shown(error: BerlinError) -> None:
    message = str(error)
    lines = message.splitlines()
    assert 1 < len(lines) < 5, message
    assert TO_DO.search(lines[-1]), f"says nothing to do in its last line: {message}"
    assert_no_secret(message, repr(error), repr(vars(error)))


def assert_no_secret(*texts: str, canaries: Sequence[str] = CANARIES) -> None:
    for text in texts:
        for canary in canaries:
            assert str(canary) not in text, f"{canary} in {text}"


def _told_by_tracebacks(error: BaseException) -> list[str]:
    """Return verbose tracebacks, which show every variable of our own frames, of the error and what led to it."""
    told: list[str] = []
    chain: BaseException | None = error
    while chain is not None:
        for frame, _ in traceback.walk_tb(chain.__traceback__):
            if "berlin_magic" in frame.f_globals.get("__name__", ""):
                told.append(repr(frame.f_locals))
        chain = chain.__cause__ or chain.__context__
    return told
