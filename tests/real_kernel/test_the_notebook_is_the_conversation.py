"""A cell is a place; the conversation outlives restarts, crashes, moves and copies; nothing is asked twice."""

from __future__ import annotations

import ast
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser.scripted_server import Reply
from real_kernel.conftest import PASSWORD, Server
from real_kernel.rig import Kernel
from real_kernel.saved import LOAD, Saved

pytestmark = pytest.mark.kernel

Start = Callable[..., Kernel]


@pytest.fixture
def start(server: Server, tmp_path: Path) -> Iterator[Start]:
    """Start a kernel for a notebook's path, with a store that outlives it."""
    kernels: list[Kernel] = []

    def start(path: Path | str, database: str = "conversations.db", **env: str) -> Kernel:
        account = {"BERLIN_URL": server.url, "BERLIN_ACCOUNT": "tester", "BERLIN_PASSWORD": PASSWORD}
        own = {"IPYTHONDIR": str(tmp_path / "ipython"), "BERLIN_DATABASE": str(tmp_path / database)}
        kernels.append(Kernel(env={**own, **account, "JPY_SESSION_NAME": str(path), **env}))
        kernels[-1].good(LOAD)
        return kernels[-1]

    yield start
    for kernel in kernels:
        kernel.close()


@pytest.fixture
def four(tmp_path: Path) -> Saved:
    return Saved(
        tmp_path / "work" / "four.ipynb",
        {"load": LOAD} | {name: f"%%berlin\nQuestion {name}?" for name in "abcd"},
    )


def echo(server: Server) -> None:
    """Have each question answered by a text of its own."""
    server.answers(*[Reply(f"Answer {number}.") for number in range(40)])


def sent(server: Server) -> list[str]:
    """The questions that each request held, in order, as one word each: the context, then the question."""
    found = []
    for asked in server.asked:
        prompt = str(asked.body["prompt"])
        lines = [line.removeprefix("User: ") for line in prompt.splitlines()]
        found.append("".join(line.split()[1].rstrip("?") for line in lines if line.startswith("Question ")))
    return found


def test_a_cell_run_three_times_sends_its_question_once_each_time_with_identical_context(
    start: Start, server: Server, four: Saved
) -> None:
    kernel = start(four.path)
    echo(server)
    four.run(kernel, "a", "b", "c", "c", "c")
    assert sent(server) == ["a", "ab", "abc", "abc", "abc"]
    assert len({json.dumps(asked.body["prompt"]) for asked in server.asked[2:]}) == 1


def test_an_edited_turn_is_asked_on_what_stood_before_it_and_later_ones_on_the_new_one(
    start: Start, server: Server, four: Saved
) -> None:
    kernel = start(four.path)
    echo(server)
    four.run(kernel, "a", "b", "c", "d")
    four.cells["b"] = "%%berlin\nQuestion B?"
    four.run(kernel, "b")
    (run,) = four.run(kernel, "d")
    assert sent(server)[4:] == ["aB", "aBcd"]
    assert "1 earlier turn answered on an older version" in run.answer["text/markdown"]
    assert kernel.good("%berlin history").stdout.count("answered on an older version") == 1


def test_restart_and_run_all_sends_the_same_requests_and_none_twice(start: Start, server: Server, four: Saved) -> None:
    kernel = start(four.path)
    server.answers(*[Reply("Same answer.")] * 4)
    four.cells["r"] = "%berlin undo"
    four.cells["s"] = "%berlin system Be brief"
    four.cells["e"] = "%%berlin\nQuestion e?"
    four.save()
    four.run(kernel)
    first = [asked.body["prompt"] for asked in server.asked]
    assert sent(server) == ["a", "ab", "abc", "abcd", "abce"]
    four.run(kernel)
    four.save()
    kernel.close()
    again = start(four.path)
    four.run(again)
    assert [asked.body["prompt"] for asked in server.asked] == first * 3
    assert again.value("len(__import__('berlin_magic').conversation())") == "4"


def test_after_a_restart_the_next_question_is_asked_on_the_earlier_ones(
    start: Start, server: Server, four: Saved
) -> None:
    kernel = start(four.path)
    echo(server)
    four.save()
    four.run(kernel, "load", "a", "b")
    kernel.close()
    again = start(four.path)  # the file was never saved with the answers in it
    four.run(again, "c")
    assert sent(server) == ["a", "ab", "abc"]
    finishes = again.value("[turn.finish for turn in __import__('berlin_magic').conversation()]")
    assert finishes == "['complete', 'complete', 'complete']"


def test_a_notebook_moved_to_a_machine_that_knows_nothing_goes_on(
    start: Start, server: Server, four: Saved, tmp_path: Path
) -> None:
    kernel = start(four.path)
    echo(server)
    four.run(kernel, "load", "a", "b")
    four.cells |= {"s": "%berlin system Be brief", "o": "%%berlin --once\nQuestion o?"}
    four.run(kernel, "s", "o")
    elsewhere = four.save(tmp_path / "elsewhere" / "renamed.ipynb")
    kernel.close()
    other = start(elsewhere, database="empty.db")
    four.run(other, "c")
    assert sent(server) == ["a", "ab", "o", "abc"]
    assert str(server.asked[-1].body["prompt"]).startswith("System: Be brief\n")
    assert "Answer 1." in str(server.asked[-1].body["prompt"])
    four.run(other, "b")
    assert sent(server)[-1] == "ab"
    other.good("%config BerlinMagics.replay = 'only'")
    refused = other.run(four.cells["o"], cell="o")
    assert "NotStoredError" in refused.error, "an answer of a file that nobody vouches for is not replayed"
    four.save(elsewhere)
    assert "Trusted" in other.good("%berlin trust", cell="t").stdout
    assert four.run(other, "o")[0].metadata["replayed"]


def test_a_conversation_begun_anew_in_a_cell_is_so_elsewhere_too(
    start: Start, server: Server, four: Saved, tmp_path: Path
) -> None:
    four.cells["b"] = "%%berlin --new\nQuestion b?"
    kernel = start(four.path)
    echo(server)
    four.run(kernel, "a", "b")
    other = start(four.save(tmp_path / "elsewhere" / "there.ipynb"), database="empty.db")
    four.run(other, "c")
    assert sent(server) == ["a", "b", "bc"]


def test_undone_and_imported_turns_travel_with_the_file(
    start: Start, server: Server, four: Saved, tmp_path: Path
) -> None:
    talk = tmp_path / "talk.json"
    talk.write_text(json.dumps([{"role": "user", "content": "Question x?"}, {"role": "assistant", "content": "X."}]))
    four.cells = {
        "a": four.cells["a"],
        "b": four.cells["b"],
        "u": "%berlin undo",
        "i": f"%berlin import {talk}",
        "c": four.cells["c"],
    }
    kernel = start(four.path)
    echo(server)
    four.run(kernel)
    assert sent(server)[-1] == "axc"
    elsewhere = four.save(tmp_path / "elsewhere" / "there.ipynb")
    other = start(elsewhere, database="empty.db")
    four.cells["d"] = "%%berlin\nQuestion d?"
    (run,) = four.run(other, "d")
    assert sent(server)[-1] == "acd" and "1 record of a conversation in the notebook file is left out" in run.stderr
    assert "2 earlier turns come along from the notebook file" in run.stderr
    assert "Trusted" in other.good("%berlin trust", cell="t").stdout
    (run,) = four.run(other, "d")
    assert sent(server)[-1] == "axcd" and run.stderr == ""


def test_a_renamed_notebook_keeps_its_conversation_and_a_copy_is_a_fork(
    start: Start, server: Server, four: Saved
) -> None:
    kernel = start(four.path)
    echo(server)
    four.run(kernel, "load", "a", "b")
    four.save()
    kernel.close()
    renamed = four.path.rename(four.path.with_name("renamed.ipynb"))
    kernel = start(renamed)
    four.run(kernel, "c")
    four.save(renamed)
    copy = four.save(four.path.with_name("copy.ipynb"))
    other = start(copy)
    four.cells["d"] = "%%berlin\nQuestion D?"
    four.run(other, "d")
    again = start(copy)  # the copy was not saved since it was forked
    four.cells["e"] = "%%berlin\nQuestion e?"
    four.run(again, "e")
    assert sent(server) == ["a", "ab", "abc", "abcD", "abcDe"]
    four.cells["f"] = "%%berlin\nQuestion f?"
    four.run(kernel, "f")
    assert sent(server)[-1] == "abcf"


def test_a_new_notebook_at_an_old_path_is_a_new_conversation(start: Start, server: Server, four: Saved) -> None:
    kernel = start(four.path)
    echo(server)
    four.run(kernel, "a")
    kernel.close()
    new = Saved(four.path, {"n": "%%berlin\nQuestion n?"})
    new.save()
    new.run(start(four.path), "n")
    assert sent(server) == ["a", "n"]


def test_the_notebooks_own_order_is_taken_by_a_new_kernel(start: Start, server: Server, four: Saved) -> None:
    kernel = start(four.path)
    echo(server)
    four.run(kernel, "a", "c", "b")
    four.save()
    kernel.close()
    again = start(four.path)
    four.run(again, "d", "c")
    assert sent(server) == ["a", "ac", "acb", "abcd", "abc"]


def test_a_killed_kernel_keeps_the_partial_reply_and_continue_goes_on_from_it(
    start: Start, server: Server, four: Saved
) -> None:
    kernel = start(four.path)
    server.answers(Reply("Complete."), Reply("half of the answer", hangs=True, pieces=3), Reply(" and the rest"))
    four.run(kernel, "a")
    kernel.send(four.cells["b"], cell="b")
    limit = time.monotonic() + 20
    while (len(server.asked) < 2 or server.asked[1].sent != "half of the answer") and time.monotonic() < limit:
        time.sleep(0.05)
    time.sleep(1.5)  # what is older than a second is promised
    kernel.kill()
    again = start(four.path)
    history = again.good("%berlin history", cell="h").stdout
    assert "Complete." in history and "[cut]: half of the answer" in history
    run = again.good("%berlin continue", cell="k")
    assert run.answer["text/plain"] == " and the rest"
    assert "half of the answer" in str(server.asked[-1].body["prompt"])
    assert "half of the answer" not in again.good("%%berlin --once\nQuestion o?").answer["text/plain"]
    assert "nothing to go on with" in again.run("%berlin continue", cell="l").stderr


def test_named_conversations_stay_apart_and_a_cell_is_in_one_of_them(start: Start, server: Server, four: Saved) -> None:
    kernel = start(four.path)
    echo(server)
    four.cells["b"] = "%%berlin -c other\nQuestion b?"
    four.cells["c"] = "%%berlin -c other\nQuestion c?"
    four.run(kernel, "a", "b", "c", "d")
    assert sent(server) == ["a", "b", "bc", "ad"]
    four.cells["a"] = "%%berlin -c other\nQuestion a?"
    four.run(kernel, "a")
    four.cells["e"] = "%%berlin\nQuestion e?"
    four.run(kernel, "e")
    assert sent(server)[4:] == ["bca", "de"]
    told = kernel.good("%berlin conversations").stdout
    assert "other: 3 turns" in told and "(the usual one): 2 turns" in told
    assert "Question b?" in kernel.good("%berlin -c other history").stdout
    kernel.close()
    four.save()
    again = start(four.path)
    four.cells["f"] = "%%berlin -c other\nQuestion f?"
    four.run(again, "f")
    assert sent(server)[-1] == "abcf"


def test_a_deleted_cells_turn_leaves_the_context(start: Start, server: Server, four: Saved) -> None:
    kernel = start(four.path)
    echo(server)
    four.run(kernel, "a", "b", "c")
    session, send = kernel.client.session, kernel.client.shell_channel.send
    content = {"code": "1", "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True}
    message = session.msg("execute_request", content, metadata={"cellId": "x", "deletedCells": ["b"]})
    send(message)
    kernel.finish(message["header"]["msg_id"])
    four.run(kernel, "d")
    assert sent(server)[-1] == "acd"


def test_a_loop_in_a_cell_holds_its_turns_in_sequence_and_is_replaced_as_a_whole(
    start: Start, server: Server, four: Saved
) -> None:
    kernel = start(four.path)
    echo(server)
    four.cells["b"] = (
        "import berlin_magic\ntalk = berlin_magic.conversation()\n"
        "for name in 'xy':\n    await talk.ask(f'Question {name}?')"
    )
    four.run(kernel, "a", "b", "c", "b", "d")
    assert sent(server) == ["a", "ax", "axy", "axyc", "ax", "axy", "axycd"]


def test_two_questions_at_once_do_not_mix(start: Start, server: Server, four: Saved) -> None:
    kernel = start(four.path)
    server.answers(Reply("First."), Reply("one " * 20, seconds=0.5), Reply("two " * 20, seconds=0.3))
    four.cells["b"] = (
        "import asyncio, berlin_magic\ntalk = berlin_magic.conversation()\n"
        "replies = await asyncio.gather(talk.ask('Question x?'), talk.ask('Question y?'))"
    )
    four.run(kernel, "a", "b")
    assert sorted(sent(server)) == ["a", "ax", "ay"]
    assert kernel.value("[set(r.split()) for r in replies]") in ("[{'one'}, {'two'}]", "[{'two'}, {'one'}]")


def test_versions_are_listed_shown_compared_and_made_current(start: Start, server: Server, four: Saved) -> None:
    kernel = start(four.path)
    server.answers(Reply("The old answer.\nSame line."), Reply("The new answer.\nSame line."), Reply("Later."))
    four.run(kernel, "a", "a")
    assert "2 versions" in kernel.good("%berlin versions").stdout
    listed = kernel.good("%berlin versions 1").stdout
    assert "* version 2" in listed and "The old answer." in listed
    assert "The old answer." in kernel.good("%berlin versions 1 show 1").stdout
    diff = kernel.good("%berlin versions 1 diff 1 2").stdout
    assert "-The old answer." in diff and "+The new answer." in diff and "-Same line." not in diff
    kernel.good("%berlin versions 1 use 1")
    four.run(kernel, "b")
    assert "The old answer." in str(server.asked[-1].body["prompt"])
    assert "There is no version 7" in kernel.run("%berlin versions 1 show 7").stderr


def test_what_does_not_fit_the_budget_is_left_out_and_said(start: Start, server: Server, four: Saved) -> None:
    kernel = start(four.path)
    server.answers(Reply("word " * 400))
    kernel.good("%config BerlinMagics.context_limit = 600")
    runs = four.run(kernel, "a", "b", "c")
    assert sent(server) == ["a", "ab", "bc"]
    assert "1 earlier turn left out" in runs[-1].answer["text/html"]
    assert runs[-1].metadata["left_out"] == 1


def test_replay_needs_no_server_and_only_names_the_cell_that_is_not_stored(
    start: Start, server: Server, four: Saved
) -> None:
    kernel = start(four.path)
    echo(server)
    four.run(kernel)
    four.save()
    outputs = {name: [output["data"]["text/plain"] for output in four.outputs[name]] for name in "abcd"}
    count = len(server.asked)
    kernel.close()
    again = start(four.path, BERLIN_URL="http://127.0.0.1:9")
    again.good("%config BerlinMagics.replay = 'only'")
    runs = four.run(again)
    assert len(server.asked) == count
    assert {name: [output["data"]["text/plain"] for output in four.outputs[name]] for name in "abcd"} == outputs
    assert "replay from this conversation" in runs[-1].answer["text/markdown"] and runs[-1].metadata["replayed"] is True
    four.cells["a"] = "%%berlin\nQuestion changed?"
    (run,) = four.run(again, "a", good=False)
    assert run.error.startswith("NotStoredError: The question of cell a is not stored") and "changed" in run.error


def test_headless_runs_replay_from_a_notebook_that_is_named(
    start: Start, server: Server, four: Saved, tmp_path: Path
) -> None:
    kernel = start(four.path)
    echo(server)
    four.run(kernel)
    four.save()
    count = len(server.asked)
    headless = start(
        "",
        "nothing.db",
        BERLIN_URL="",
        BERLIN_ACCOUNT="",
        BERLIN_PASSWORD="",
        BERLIN_REPLAY=str(four.path),
        BERLIN_REPLAY_MODE="only",
    )
    for name in "abcd":
        run = headless.good(four.cells[name], allow_stdin=False)
        assert run.answer["text/plain"] == four.outputs[name][0]["data"]["text/plain"]
    assert "NotStoredError" in headless.run("%%berlin\nQuestion new?", allow_stdin=False).error
    assert len(server.asked) == count
    asking = start("", "nothing.db")
    assert asking.good(f"%%berlin --replay-from {four.path}\nQuestion a?").metadata["replayed"]
    assert "can't be replayed" in asking.run("%%berlin --replay-from nowhere.ipynb\nQuestion z?").error
    assert len(server.asked) == count


def test_history_can_be_turned_off(start: Start, server: Server, four: Saved, tmp_path: Path) -> None:
    kernel = start(four.path, database="none.db")
    kernel.good("%config BerlinMagics.history = False")
    echo(server)
    four.run(kernel, "a", "b")
    assert sent(server) == ["a", "ab"]
    assert not (tmp_path / "none.db").exists()


def test_forget_deletes_from_memory_and_disk_and_the_file_does_not_bring_it_back(
    start: Start, server: Server, four: Saved, tmp_path: Path
) -> None:
    kernel = start(four.path)
    server.answers(Reply("A secret answer."))
    four.run(kernel, "a")
    four.save()
    assert "Deleted the conversation" in kernel.good("%berlin forget").stdout
    assert not any(b"secret" in file.read_bytes() for file in tmp_path.glob("conversations.db*"))
    kernel.close()
    again = start(four.path)
    four.run(again, "b")
    assert sent(server) == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no JSON", "could not be read"),
        ('{"cells": [{"id": "a", "outputs": [{"metadata": {"berlin": {"format": 99}}}]}]}', "left out"),
        ('{"cells": [{"id": 5, "outputs": [{"metadata": {"berlin": {"format": 1, "turn": 4}}}, 7]}, 3]}', "left out"),
    ],
)
def test_a_notebook_with_broken_metadata_is_told_once_and_left_as_it_is(
    start: Start, server: Server, four: Saved, content: str, words: str
) -> None:
    four.save()
    four.path.write_text(content)
    kernel = start(four.path)
    (run,) = four.run(kernel, "a")
    assert words in run.stderr and str(four.path) in run.stderr
    assert kernel.good("%%berlin\nQuestion b?", cell="b").stderr == ""
    assert sent(server) == ["a", "ab"] and four.path.read_text() == content


def test_a_broken_database_is_told_and_the_cell_answers(
    start: Start, server: Server, four: Saved, tmp_path: Path
) -> None:
    (tmp_path / "broken.db").write_bytes(b"nothing that SQLite knows " * 400)
    kernel = start(four.path, database="broken.db")
    (run,) = four.run(kernel, "a")
    assert "set aside as" in run.stderr and "nothing was deleted" in run.stderr
    assert len(list(tmp_path.glob("broken.broken-*"))) == 1
    four.run(kernel, "b")
    assert sent(server) == ["a", "ab"]


def test_no_secret_is_in_the_database(start: Start, server: Server, four: Saved, tmp_path: Path) -> None:
    kernel = start(four.path)
    four.run(kernel, "a")
    kernel.good("%berlin history")
    content = b"".join(file.read_bytes() for file in tmp_path.glob("conversations.db*"))
    assert b"Question a?" in content
    assert PASSWORD.encode() not in content and server.token.encode() not in content


def test_exports_are_taken_in_again(start: Start, server: Server, four: Saved, tmp_path: Path) -> None:
    kernel = start(four.path)
    echo(server)
    four.run(kernel, "a", "b")
    for suffix in ("md", "json", "jsonl"):
        kernel.good(f"%berlin export {tmp_path / 'talk'}.{suffix}")
    assert json.loads((tmp_path / "talk.json").read_text())[0] == {"role": "user", "content": "Question a?"}
    assert "## You\n\nQuestion b?" in (tmp_path / "talk.md").read_text()
    for suffix in ("json", "jsonl"):
        kernel.good("%berlin reset", cell="r")
        kernel.good(f"%berlin import {tmp_path / 'talk'}.{suffix}", cell="i")
        assert kernel.good("%berlin history").stdout.count("imported") == 2
    four.run(kernel, "c")
    assert sent(server)[-1] == "abc"
    assert "Nothing was imported" in kernel.run("%berlin import nowhere.json").stderr


def test_where_the_server_keeps_the_context_only_the_newest_message_is_sent(
    start: Start, server: Server, four: Saved
) -> None:
    kernel = start(four.path)
    echo(server)
    kernel.good("%config BerlinMagics.context = 'server'")
    four.run(kernel, "a", "b", "c")
    assert [asked.body["prompt"] for asked in server.asked] == [f"Question {name}?" for name in "abc"]
    (id_,) = {asked.body["parentMessageId"] for asked in server.asked}
    (again,) = four.run(kernel, "b", good=False)
    assert again.error.startswith("ContextOnServerError") and "%berlin renew" in again.error
    assert len(again.error.splitlines()) < 5 and len(server.asked) == 3
    assert "Answer 1." in kernel.good("%berlin history").stdout  # and nothing was replaced
    assert "%berlin renew" in kernel.good("%berlin undo", cell="u").answer["text/plain"]
    assert four.run(kernel, "d", good=False)[0].status == "error"
    kernel.good("%berlin renew")
    four.run(kernel, "d")
    assert sent(server)[-1] == "abd" and server.asked[-1].body["parentMessageId"] != id_
    four.cells["e"] = "%%berlin\nQuestion e?"
    kernel.close()
    again_ = start(four.path)
    again_.good("%config BerlinMagics.context = 'server'")
    four.run(again_, "e")
    assert server.asked[-1].body["prompt"] == "Question e?"
    assert server.asked[-1].body["parentMessageId"] == server.asked[-2].body["parentMessageId"]


def test_a_session_that_is_in_no_file_can_be_found_again_and_deleted(
    start: Start, server: Server, four: Saved, tmp_path: Path
) -> None:
    session = start("")
    server.answers(Reply("A secret answer."))
    session.good("%%berlin\nQuestion a?")
    session.kill()
    kernel = start(four.path)
    (line,) = [
        one for one in kernel.good("%berlin conversations all", cell="x").stdout.splitlines() if "(no file)" in one
    ]
    kernel.good(f"%berlin resume {line.split()[0]}", cell="y")
    four.run(kernel, "b")
    assert sent(server) == ["a", "ab"]
    assert "Deleted" in kernel.good(f"%berlin forget {line.split()[0]}", cell="x").stdout
    assert "(no file)" not in kernel.good("%berlin conversations all", cell="x").stdout
    assert "no stored conversation" in kernel.run("%berlin resume nothing", cell="x").stderr


def test_a_front_end_that_tells_cells_but_no_file_keeps_its_conversation_over_a_restart(
    start: Start, server: Server, four: Saved
) -> None:
    kernel = start("")
    echo(server)
    four.run(kernel, "a", "b")
    kernel.close()
    again = start("")
    four.run(again, "b", "c")
    assert sent(server) == ["a", "ab", "ab", "abc"]


@pytest.mark.long  # many kernels
def test_kernels_killed_at_random_points_lose_at_most_a_second(start: Start, server: Server, four: Saved) -> None:
    server.answers(Reply("word " * 2000, seconds=8.0, pieces=2000))
    chance, promised = random.Random(4), 0
    for number in range(6):
        kernel = start(four.path)
        if number:
            turns = kernel.good("[t.reply for t in __import__('berlin_magic').conversation()]", cell="look")
            replies = ast.literal_eval(turns.outputs[0]["data"]["text/plain"])
            assert len(replies) == number and len(replies[-1]) >= promised
        asked = len(server.asked)
        kernel.send(f"%%berlin\nQuestion q{number}?", cell=f"q{number}")
        limit = time.monotonic() + 30
        while (len(server.asked) == asked or not server.asked[-1].sent) and time.monotonic() < limit:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 2.5))
        promised = len(server.asked[-1].sent)
        time.sleep(1.2)
        kernel.kill()
