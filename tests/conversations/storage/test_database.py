"""Conversations on disk: nothing that ended is lost, nothing is locked, and whatever is wrong becomes a warning."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from berlin_magic.conversations.storage import schema
from berlin_magic.conversations.storage.database import Known, Store
from berlin_magic.conversations.storage.journal import StoredJournal
from berlin_magic.conversations.turn import Turn
from berlin_magic.conversations.turns import Turns
from berlin_magic.messages import Image, ImagePart, Reasoning, ReasoningPart, Text, TextPart, ToolCall, ToolCallPart

ROOT = Path(__file__).parents[3]
CHILD = Path(__file__).with_name("streaming_child.py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "conversations.db"


def stored(store: Store, conversation: str = "c") -> Turns:
    turns = Turns()
    turns.read(store.record(conversation) or {})
    turns.journal = StoredJournal(store, conversation, "n", "", turns.system)
    return turns


def answered(turns: Turns, prompt: str, reply: str = "reply", **where: str | None) -> Turn:
    turn = turns.begin(prompt, **where)
    turn.take(Text(reply))
    turns.end(turn, "complete")
    return turn


def child(path: Path, conversation: str, count: int, pace: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(path), conversation, str(count), str(pace)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_what_is_written_is_read_again_the_same(path: Path) -> None:
    store = Store(path)
    turns = stored(store)
    turns.system = "be brief"
    for cell in "abc":
        answered(turns, f"question \ud800 {cell}", "half a pair: \udc00 ü 漢", cell=cell, run=cell)
    answered(turns, "b again", cell="b", run="again")
    turns.undo(cell="u", run="u")
    turns.add_messages([{"role": "user", "content": "said"}, {"role": "assistant", "content": "elsewhere"}])
    turns.remove_cells({"a"})
    turns.arrange(["c", "b", "a"])
    turns.make_current(turns.places[1], turns.places[1].versions[0])
    assert store.flush()
    again = stored(Store(path))
    assert again.record() == turns.record()
    assert again.messages == turns.messages and again.stale() == turns.stale()
    assert store.take_warnings() == []


def test_a_running_turn_is_there_with_its_question_at_once_and_its_text_soon(path: Path) -> None:
    store = Store(path)
    turns = stored(store)
    turn = turns.begin("question")
    assert store.flush()
    assert [one.prompt for one in stored(Store(path))] == ["question"]
    for piece in ("one ", "two "):
        turn.take(Text(piece))
        assert turns.journal is not None
        turns.journal.delta(turn.id, "text", piece)
    limit = time.monotonic() + 20
    while not (found := stored(Store(path))[0]).reply and time.monotonic() < limit:
        time.sleep(0.05)
    assert found.reply == "one two " and found.finish == "cut" and found.messages
    turns.end(turn, "complete")
    assert store.flush()
    with schema.connected(path) as connection:
        assert connection.execute("SELECT count(*) FROM deltas").fetchone() == (0,)
    assert stored(Store(path))[0].reply == "one two "


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_the_database_is_the_users_alone(path: Path) -> None:
    store = Store(path)
    answered(stored(store), "question")
    assert store.flush()
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.long  # fifty processes
@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")
def test_processes_killed_at_fifty_random_points_lose_at_most_a_second(tmp_path: Path) -> None:
    with ThreadPoolExecutor(10) as pool:
        checked = list(pool.map(lambda seed: killed_at_random(tmp_path / str(seed) / "x.db", seed), range(50)))
    assert sum(partial for _, partial in checked) > 10, "no partial text was old enough to be told"
    assert sum(ended for ended, _ in checked) > 10


def killed_at_random(path: Path, seed: int) -> tuple[int, int]:
    """Kill a process in the middle; return how many ended turns and how many old partial texts were found again."""
    before_store = Store(path)
    before = stored(before_store, "other")
    answered(before, "untouched")
    assert before_store.flush()
    with child(path, "killed", 1000, 0.015) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(random.Random(seed).randrange(2, 250))]
        process.send_signal(signal.SIGKILL)
        killed = time.time()
        said += process.stdout.readlines()
    store = Store(path)
    assert store.take_warnings() == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    turns = stored(store, "killed")
    ended, partial = 0, 0
    for word, id_, length, at in (line.split() for line in said if line.endswith("\n")):
        turn = turns.find(id_)
        if word == "ended":
            assert turn is not None and turn.finish == "complete" and turn.length == int(length)
            ended += 1
        elif killed - float(at) > 1:
            assert turn is not None and turn.length >= int(length)
            partial += turn.finish == "cut"
    assert [turn.finish for turn in turns][:-1] == ["complete"] * (len(turns) - 1)
    assert stored(store, "other").record() == before.record()
    return ended, partial


def test_two_processes_write_a_thousand_turns_each_at_once(path: Path) -> None:
    children = [child(path, "one", 1000, 0), child(path, "two", 1000, 0)]
    for process in children:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0 and output.endswith("done\n")
    store = Store(path)
    for name in ("one", "two"):
        turns = stored(store, name)
        assert len(turns) == 1000 and {turn.finish for turn in turns} == {"complete"}
        assert turns.stale() == set()


def test_two_kernels_on_one_conversation_lose_nothing(path: Path) -> None:
    stores = Store(path), Store(path)
    one, two = (stored(store) for store in stores)
    for number in range(5):
        answered(one, f"one {number}", cell=f"a{number}", run="1")
        answered(two, f"two {number}", cell=f"b{number}", run="2")
    answered(one, "one again", cell="a0", run="3")
    assert all(store.flush() for store in stores)
    assert len(stored(Store(path))) == 10 and len(stored(Store(path)).every_turn()) == 11


def assert_goes_on_in_memory(store: Store) -> None:
    turns = stored(store, "memory")
    answered(turns, "question")
    turns.system = "x"
    assert len(turns) == 1 and store.record("memory") is None and not store.flush()


def test_a_file_that_is_no_database_is_set_aside_and_a_new_one_begun(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 50)
    store = Store(path)
    (warning,) = store.take_warnings()
    (aside,) = path.parent.glob("*.broken-*")
    assert str(aside) in warning and aside.read_bytes().startswith(b"not a database")
    answered(stored(store), "question")
    assert store.flush() and len(stored(Store(path))) == 1


def test_a_database_broken_in_the_middle_is_left_and_the_user_goes_on(path: Path) -> None:
    store = Store(path)
    turns = stored(store)
    for number in range(200):
        answered(turns, f"question {number}", "long " * 200)
    assert store.flush()
    with schema.connected(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    other = Store(path)
    if other.record("c") is None and other.broken:
        assert_goes_on_in_memory(other)
    (warning,) = other.take_warnings()
    assert str(path) in warning and "broken" in warning
    assert any(b"\xff" * 100 in file.read_bytes() for file in path.parent.iterdir())


def test_another_programs_database_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    content = path.read_bytes()
    store = Store(path)
    assert_goes_on_in_memory(store)
    assert "another program's" in store.take_warnings()[0] and path.read_bytes() == content


def test_a_newer_versions_database_is_left_as_it_is(path: Path) -> None:
    Store(path)
    with schema.connected(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    store = Store(path)
    assert_goes_on_in_memory(store)
    assert "newer" in store.take_warnings()[0]


def test_parts_are_kept_in_their_order_with_what_belongs_to_them(path: Path) -> None:
    store = Store(path)
    turns = stored(store)
    picture = ImagePart("data:image/png;base64,AAAA")
    turn = turns.begin("See {{fig}}", question=[TextPart("See "), picture])
    call = ToolCall("call-1", "search", '{"for": "x"}')
    for event in (
        Reasoning("Hm, "),
        Reasoning("well.", "signed"),
        Reasoning("Again"),
        Text("a"),
        Text("b"),
        call,
        Text("c"),
        Image(picture.url),
        Image(picture.url),
    ):
        turn.take(event)
    turns.end(turn, "complete")
    assert store.flush()
    (again,) = stored(Store(path))
    assert again.parts == turn.parts
    assert again.parts == (
        ReasoningPart("Hm, well.", "signed"),
        ReasoningPart("Again"),
        TextPart("ab"),
        ToolCallPart("call-1", "search", '{"for": "x"}'),
        TextPart("c"),
        picture,
    )
    assert again.images == (picture,)
    assert again.reply == "abc" and again.reasoning == "Hm, well.Again" and again.length == 3
    assert again.asked[-1]["content"] == [
        {"type": "text", "text": "See "},
        {"type": "image_url", "image_url": {"url": picture.url}},
    ]


def test_the_reasoning_and_text_of_a_running_turn_are_there_soon(path: Path) -> None:
    store = Store(path)
    turns = stored(store)
    turn = turns.begin("question")
    assert turns.journal is not None
    for kind, text in (
        *(("reasoning", "Hm, "), ("reasoning", "well"), ("text", "So "), ("text", "it is")),
        *(("image", "data:a"), ("image", "data:b"), ("text", "See")),
    ):
        turns.journal.delta(turn.id, kind, text)
    assert store.flush()
    (again,) = stored(Store(path))
    pictures = (ImagePart("data:a"), ImagePart("data:b"))
    assert again.parts == (ReasoningPart("Hm, well"), TextPart("So it is"), *pictures, TextPart("See"))
    assert again.finish == "cut" and again.images == pictures


READING = """
import os, sys; from pathlib import Path; from berlin_magic.conversations.storage.database import Store
if not os.geteuid(): os.setgid(65534), os.setuid(65534)  # root may write everywhere
store = Store(Path(sys.argv[1])); print(len(store.record("c")["events"]), store.flush(), *store.take_warnings())
"""


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX modes")
@pytest.mark.parametrize("log_is_left", [True, False])
def test_a_read_only_database_is_read_and_nothing_is_added(path: Path, log_is_left: bool) -> None:
    child(path, "c", 1, 0).communicate(timeout=60)
    if not log_is_left:
        sqlite3.connect(path).close()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert path.with_name(path.name + "-wal").exists() == log_is_left
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o555)
    parents = [path.parent, *path.parents[1:-2]]
    modes = [(parent, stat.S_IMODE(parent.stat().st_mode)) for parent in parents[1:]]
    for parent, mode in modes:
        parent.chmod(mode | 0o011)
    try:
        done = subprocess.run(
            [sys.executable, "-c", READING, str(path)],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
    finally:
        for parent, mode in modes:
            parent.chmod(mode)
        path.parent.chmod(0o700)
    assert done.stdout.startswith("1 False "), done.stdout + done.stderr
    assert "can't be written to" in done.stdout and "memory" in done.stdout


def test_a_full_disk_is_told_and_the_user_goes_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(path)
    real = sqlite3.connect

    def small(*args: object, **kwargs: object) -> sqlite3.Connection:
        connection = real(*args, **kwargs)  # type: ignore[arg-type]
        connection.execute("PRAGMA max_page_count = 25")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    store = Store(path)
    turns = stored(store)
    for number in range(50):
        answered(turns, f"question {number}", "long " * 2000)
    assert not store.flush()
    (warning,) = store.take_warnings()
    assert "full" in warning and str(path) in warning and len(turns) == 50


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "conversations.db")
    assert_goes_on_in_memory(store)
    assert "can't be stored" in store.take_warnings()[0]


def test_what_is_forgotten_is_gone_from_the_disk(path: Path) -> None:
    store = Store(path)
    turns = stored(store)
    secret = answered(turns, "the secret question", "the secret reply " * 500)
    partial = turns.begin("running")
    assert turns.journal is not None
    turns.journal.delta(partial.id, "text", "the secret piece")
    kept = stored(store, "kept")
    answered(kept, "kept question")
    assert store.flush()
    assert store.forget("c", [secret.id])
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"secret" not in content and b"kept question" in content
    assert store.record("c") is None and len(stored(Store(path), "kept")) == 1
    assert store.forgotten([secret.id, "other"]) == {secret.id}


def test_a_notebook_is_found_by_its_path_and_by_its_file(path: Path) -> None:
    store = Store(path)
    store.note_notebook("id", "/there/a.ipynb", {"x": "", "y": "digest"}, file="1:2:", state="3:4")
    store.note_notebook("id", "/elsewhere/b.ipynb", {"z": ""}, file="1:2:", state="5:6")
    assert store.notebooks(path="/there/a.ipynb") == []
    (known,) = store.notebooks(path="/elsewhere/b.ipynb")
    assert known == Known("id", "/elsewhere/b.ipynb", {"x": "", "y": "digest", "z": ""}, "1:2:", "5:6")
    assert store.notebooks(file="1:2:") == [known] and store.notebooks(cell="x") == []
    store.note_notebook("pathless", "", {"x": ""})
    assert [one.id for one in store.notebooks(cell="x")] == ["pathless"] and store.notebooks() == []


def test_a_file_name_that_is_no_text_is_stored_and_found(path: Path) -> None:
    store = Store(path)
    store.note_notebook("id", "/there/\udcff.ipynb", {"\udcff": ""})
    assert store.notebooks(path="/there/\udcff.ipynb")[0].id == "id" and not store.broken


def test_what_is_stored_is_found_by_its_id_but_not_what_a_file_has_told(path: Path) -> None:
    store = Store(path)
    turns = stored(store)
    own, other = answered(turns, "own", "reply"), answered(turns, "of a file", "reply")
    other.from_file = "said"
    turns.note(other)
    found = store.events([own.id, other.id, "unknown"])
    assert found.keys() == {own.id} and found[own.id]["parts"] == [{"type": "text", "text": "reply"}]
    store.trust(["one", "two"])
    assert store.trusted(["two", "three"]) == {"two"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_writes_with_a_thread_of_its_own(path: Path) -> None:
    store = Store(path)
    turns = stored(store)
    answered(turns, "parent")
    assert store.flush()
    child_id = os.fork()
    if child_id == 0:
        answered(turns, "child")
        os._exit(0 if store.flush() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child_id, 0)[1]) == 0
    assert [turn.prompt for turn in stored(Store(path))] == ["parent", "child"]
