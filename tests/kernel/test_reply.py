"""A turn on its way into a view: what is drawn when, and what is left however it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from berlin_magic.concurrency import Interrupted
from berlin_magic.conversations.turns import Turn, Turns
from berlin_magic.display.view import Status, View
from berlin_magic.errors import IncompleteReplyError, ServerError
from berlin_magic.kernel.reply import ReplyResult, ReplyTask
from berlin_magic.messages import Event, Finish, Notice, Reasoning, Started, Text, Usage


class NotedView(View):
    def __init__(self) -> None:
        self.text = ""
        self.drawn: list[tuple[str, Status]] = []
        self.finished: list[tuple[Status, Mapping[str, Any]]] = []
        self.abandoned = False
        self.rendering, self.may_end = threading.Event(), threading.Event()
        self.may_end.set()

    def begin(self, status: Status) -> None:
        assert status.state == "waiting"

    def feed(self, piece: str) -> None:
        self.text += piece

    def restart(self) -> None:
        self.text = ""

    def draw(self, status: Status) -> None:
        assert not self.finished
        self.drawn.append((self.text, status))

    def prepare_finish(self, *, with_html: bool = False) -> None:
        self.prepared_with_html = with_html
        self.prepared_in = threading.current_thread()
        self.rendering.set()
        self.may_end.wait(10)

    def abandon(self) -> None:
        self.abandoned = True

    def finish(self, status: Status, metadata: Mapping[str, Any]) -> None:
        self.finished.append((status, metadata))


class Reply:
    """A scripted reply: text to yield, seconds to wait, an error to raise, None to wait for ever."""

    def __init__(self, *script: str | float | Exception | None) -> None:
        self.script = script
        self.closed = False
        self.turn = Turns().begin("Question")

    async def events(self) -> AsyncGenerator[Event, None]:
        try:
            for step in self.script:
                if isinstance(step, str):
                    self.turn.take(event := Text(step))
                    yield event
                elif isinstance(step, Exception):
                    self.turn.finish = "cut" if self.turn.reply else "failed"
                    raise step
                elif step is None:
                    await asyncio.Event().wait()
                else:
                    await asyncio.sleep(step)
            self.turn.finish = "complete"
        except (asyncio.CancelledError, GeneratorExit):
            self.turn.finish = "stopped"
            raise
        finally:
            self.closed = True


async def run(showing: ReplyTask, reply: Reply, *, background: bool = False) -> ReplyResult:
    await showing.read(reply.events(), background=background)
    return await showing.finish({"turn": reply.turn.id})


async def show(reply: Reply, view: NotedView) -> tuple[ReplyTask, asyncio.Task[ReplyResult]]:
    showing = ReplyTask(reply.turn)
    showing.begin(view)
    task = asyncio.ensure_future(run(showing, reply))
    await asyncio.sleep(0.02)
    return showing, task


async def test_the_first_text_is_drawn_at_once() -> None:
    reply, view = Reply("first", None), NotedView()
    showing, task = await show(reply, view)
    assert view.drawn[0][0] == "first"
    assert view.drawn[0][1].state == "streaming"
    showing.stop()
    await task


async def test_updates_are_coalesced() -> None:
    reply, view = Reply(*("a", 0.001) * 200), NotedView()
    _, task = await show(reply, view)
    (await task).check()
    assert len(view.drawn) < 60
    assert view.text == "a" * 200
    assert view.finished[0][0].characters == 200


async def test_a_complete_reply() -> None:
    reply, view = Reply("all of it"), NotedView()
    _, task = await show(reply, view)
    (await task).check()
    ((status, metadata),) = view.finished
    assert status.state == "complete"
    assert metadata == {"turn": reply.turn.id}


async def test_stop_keeps_what_arrived_and_is_no_error() -> None:
    reply, view = Reply("some", None), NotedView()
    showing, task = await show(reply, view)
    showing.stop()
    result = await task
    result.check()
    assert reply.closed
    assert view.finished[0][0].state == "stopped"
    assert result.turn.reply == "some"


async def test_a_cancelled_cell_is_an_interrupt_in_one_line() -> None:
    reply, view = Reply("some", None), NotedView()
    _, task = await show(reply, view)
    task.cancel()
    result = await task
    assert reply.closed
    assert view.finished[0][0].state == "interrupted"
    with pytest.raises(Interrupted) as raised:
        result.check()
    assert len(raised.value._render_traceback_()) == 1


async def test_a_second_cancel_while_it_ends_changes_nothing() -> None:
    reply, view = Reply("some", None), NotedView()
    _, task = await show(reply, view)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    result = await task
    assert isinstance(result.error, Interrupted)
    assert reply.closed and len(view.finished) == 1


async def test_an_interrupt_in_the_last_moment_keeps_the_complete_reply() -> None:
    reply, view = Reply("all"), NotedView()
    showing = ReplyTask(reply.turn)
    showing.begin(view)
    task = asyncio.ensure_future(run(showing, reply))
    while reply.turn.finish != "complete":  # noqa: ASYNC110 - the moment after it is the point
        await asyncio.sleep(0)
    task.cancel()
    result = await task
    assert view.finished[0][0].state == "complete"
    assert result.turn.finish == "complete"


async def test_a_cut_reply_is_an_error_of_a_few_lines_that_says_what_is_kept() -> None:
    cut = IncompleteReplyError("The connection broke.\nRun the cell again for a whole one.")
    reply, view = Reply("half", cut), NotedView()
    _, task = await show(reply, view)
    result = await task
    assert view.finished[0][0].state == "cut"
    with pytest.raises(IncompleteReplyError) as raised:
        result.check()
    (text,) = raised.value._render_traceback_()  # type: ignore[attr-defined]
    assert text.splitlines() == [
        "IncompleteReplyError: The connection broke.",
        "The 4 characters that had arrived are kept: `%berlin continue` goes on from them.",
        "Run the cell again for a whole one.",
    ]


async def test_an_error_before_the_first_word() -> None:
    reply, view = Reply(ServerError("No.")), NotedView()
    _, task = await show(reply, view)
    result = await task
    assert view.finished[0][0].state == "failed"
    with pytest.raises(ServerError):
        result.check()


def test_a_turn_of_many_pieces_knows_its_length_and_text() -> None:
    turn = Turn("Question")
    for _ in range(1000):
        turn.take(Text("ab"))
    assert turn.length == 2000 and turn.reply == "ab" * 1000


async def test_a_stop_before_the_request_has_begun_is_a_stop() -> None:
    reply, view = Reply("never"), NotedView()
    showing = ReplyTask(reply.turn)
    showing.begin(view)
    showing.stop()
    result = await run(showing, reply)
    result.check()
    assert view.finished[0][0].state == "stopped"
    assert view.text == ""


async def test_an_error_in_the_background_is_noted_in_its_own_output() -> None:
    reply, view = Reply("half", IncompleteReplyError("The connection broke.")), NotedView()
    showing = ReplyTask(reply.turn)
    showing.begin(view)
    await run(showing, reply, background=True)
    assert view.finished[0][0].notes == ("The connection broke.",)


async def test_a_long_reply_is_rendered_beside_the_loop() -> None:
    reply, view = Reply("word " * 1000), NotedView()
    _, task = await show(reply, view)
    (await task).check()
    assert view.prepared_in is not threading.current_thread()
    assert not view.prepared_with_html
    assert view.finished[0][0].state == "complete"


@pytest.mark.parametrize("folded", ["reasoning", "values", "turns left out"])
async def test_html_for_what_is_folded_is_rendered_in_that_thread_too(folded) -> None:
    reply, view = Reply("word " * 1000), NotedView()
    match folded:
        case "reasoning":
            reply.turn.take(Reasoning("Let me see."))
        case "values":
            reply.turn.values = ({"code": "x"},)
        case _:
            reply.turn.left_out = 1
    _, task = await show(reply, view)
    (await task).check()
    assert view.prepared_with_html


def told(showing: ReplyTask, *events: Event) -> None:
    for event in events:
        showing.turn.take(event)
        showing.take(event)


async def test_a_notice_is_replaced_by_the_next_and_gone_with_the_first_word() -> None:
    reply, view = Reply(0.6, "word", None), NotedView()
    showing, task = await show(reply, view)
    told(showing, Notice("busy, trying again in 4 s"), Notice("busy, trying again in 8 s"))
    while not view.text:  # noqa: ASYNC110 - the reply is a script
        await asyncio.sleep(0.01)
    waiting = [status.notes for _, status in view.drawn if status.state == "waiting"]
    assert ("busy, trying again in 8 s",) in waiting
    assert not any("busy" in note for _, status in view.drawn if status.state == "streaming" for note in status.notes)
    showing.stop()
    await task
    assert view.finished[0][0].notes == ()


async def test_a_notice_is_not_left_where_no_word_ever_came() -> None:
    reply, view = Reply(0.05, ServerError("no\nAsk again.")), NotedView()
    showing, task = await show(reply, view)
    told(showing, Notice("busy, trying again in 4 s"))
    await task
    assert view.finished[0][0].notes == ()


async def test_reasoning_is_counted_while_it_comes_and_handed_over_at_the_end_apart_from_the_reply() -> None:
    reply, view = Reply(0.6, "42", None), NotedView()
    showing, task = await show(reply, view)
    told(showing, Notice("busy"), Reasoning("Let me "), Reasoning("see"))
    while not view.text:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.01)
    assert any("thinking · 10 characters" in note for _, status in view.drawn[:-1] for note in status.notes)
    assert not any("busy" in note for _, status in view.drawn for note in status.notes)
    assert not any(status.reasoning for _, status in view.drawn)
    showing.stop()
    await task
    (status, _) = view.finished[0]
    assert status.reasoning == "Let me see"
    assert status.notes[0].startswith("thought for ") and status.notes[0].endswith("10 characters of reasoning")
    assert view.text == reply.turn.reply == "42" and status.characters == 2


async def test_between_its_end_and_the_finished_output_the_reply_is_whole() -> None:
    reply, view = Reply("some", 0.05), NotedView()
    showing = ReplyTask(reply.turn)
    showing.begin(view)
    await showing.read(reply.events())
    assert reply.turn.finish == "complete" and reply.turn.reply == "some"
    assert not view.finished
    (await showing.finish({})).check()
    assert view.finished


@pytest.mark.parametrize(
    ("reason", "words"),
    [("length", "--max-tokens"), ("content_filter", "content filter"), ("tool_calls", "tool"), ("stop", ""), ("", "")],
)
async def test_why_a_reply_ended_is_said_where_it_is_worth_a_word(reason: str, words: str) -> None:
    reply, view = Reply("some", 0.05), NotedView()
    showing, task = await show(reply, view)
    told(showing, Usage(7, 1234), Finish(reason))
    (await task).check()
    status = view.finished[0][0]
    assert status.notes == ("1,234 tokens",)
    assert (words in status.remark) if words else status.remark == ""


async def test_a_reason_that_nobody_knows_is_told_as_the_server_says_it() -> None:
    reply, view = Reply("some", 0.05), NotedView()
    showing, task = await show(reply, view)
    told(showing, Finish("moon"))
    (await task).check()
    assert view.finished[0][0].notes == ("ended with “moon”",)


@pytest.mark.parametrize(
    ("thought", "reason", "words"),
    [("hm", "length", "used up before the first word"), ("hm", "stop", "gave no reply"), ("", "stop", "is empty")],
)
async def test_a_reply_without_a_word_says_so(thought: str, reason: str, words: str) -> None:
    reply, view = Reply(0.05), NotedView()
    showing, task = await show(reply, view)
    told(showing, Reasoning(thought), Finish(reason))
    (await task).check()
    assert words in view.finished[0][0].remark


async def test_what_is_to_be_known_of_a_models_answers_is_said_below_them() -> None:
    reply, view = Reply(0.05, "42"), NotedView()
    showing, task = await show(reply, view)
    told(showing, Started("local", "SmolLM2-135M", caution="a very small model: expect mistakes"))
    await task
    assert "a very small model: expect mistakes" in view.finished[0][0].notes


async def test_an_interrupt_while_a_long_reply_is_rendered_leaves_it_unformatted() -> None:
    reply, view = Reply("word " * 1000), NotedView()
    view.may_end.clear()
    _, task = await show(reply, view)
    await asyncio.to_thread(view.rendering.wait, 10)
    task.cancel()
    result = await asyncio.wait_for(task, 5)  # although the rendering has not ended
    view.may_end.set()
    assert view.abandoned and isinstance(result.error, Interrupted)
    assert len(view.finished) == 1 and reply.turn.finish == "complete"
