"""A process that answers turns into a store until it is killed; it says on stdout what it has done."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from berlin_magic.conversations.storage.database import Store
from berlin_magic.conversations.storage.journal import StoredJournal
from berlin_magic.conversations.turns import Turns
from berlin_magic.messages import Text


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main(path: str, conversation: str, count: int, pace: float) -> None:
    store = Store(Path(path))
    turns = Turns()
    turns.read(store.record(conversation) or {})
    turns.journal = StoredJournal(store, conversation, "notebook", "")
    chance = random.Random(path)
    for number in range(count):
        turn = turns.begin(f"question {number}", cell=f"{conversation}-{len(turns)}", run=str(number))
        say("begun", turn.id, 0, time.time())
        for piece in range(chance.randrange(3, 150) if pace else 1):
            text = f"{piece} "
            turn.take(Text(text))
            turns.journal.delta(turn.id, "text", text)
            say("piece", turn.id, turn.length, time.time())
            time.sleep(pace)
        turns.end(turn, "complete", ended=time.time())
        if pace:
            assert store.flush()
            say("ended", turn.id, turn.length, time.time())
    assert store.flush(60), store.take_warnings()
    say("done")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
