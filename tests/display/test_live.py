from __future__ import annotations

import asyncio
import threading

import pytest
from display.recorded import Clock, RecordingShell
from display.status_of import status_of

from berlin_magic.display.live import LiveView
from berlin_magic.display.status_line import UNFINISHED


class FakeWidget:
    """What a live view needs of the kernel's widget, without a comm."""

    def __init__(self) -> None:
        self.posted: list[dict] = []
        self.has_front_end: bool | None = None
        self.replies: dict = {}
        self.kept: tuple = ()

    def join(self, name, receive, cell=None):
        self.replies[name] = receive

    def keep(self, name, cell, show):
        self.kept = cell, show

    def leave(self, name):
        self.replies.pop(name, None)

    def post(self, name, message):
        assert name in self.replies or "done" in message
        self.posted.append(message)

    @property
    def messages(self):
        return [message for message in self.posted if "hello" not in message]

    def says(self, **content):
        self.has_front_end = True
        for receive in list(self.replies.values()):
            receive(content)


class Streamed:
    def __init__(self, found=None, **options) -> None:
        self.shell = RecordingShell()
        self.clock = Clock()
        self.widget = found or FakeWidget()
        self.view = LiveView(self.shell, clock=self.clock, widget=lambda: self.widget, **options)
        self.view.begin(status_of("waiting"))
        self.length = 0

    def add(self, text, seconds=0.2):
        self.view.feed(text)
        self.length += len(text)
        self.clock.now += seconds
        self.view.draw(status_of(characters=self.length))

    def finish(self, state="complete"):
        self.view.finish(status_of(state, self.length), {"turn": "1"})

    @property
    def data(self):
        [output] = self.shell.display_pub.outputs
        return output["data"]

    @property
    def metadata(self):
        [output] = self.shell.display_pub.outputs
        return output["metadata"]


def test_it_shows_plain_text_until_the_widget_answers():
    streamed = Streamed()
    streamed.add("Hello ")
    assert "Hello" in streamed.data["text/markdown"]
    assert streamed.widget.messages == []
    streamed.widget.says(ready=True, document=True)
    streamed.add("world")
    assert "world" in str(streamed.widget.messages)


def test_the_display_is_found_on_the_page_by_the_name_that_the_messages_have():
    streamed = Streamed()
    [name] = streamed.widget.replies
    assert f'class="berlin-slot-{name}"' in streamed.data["text/markdown"]
    assert streamed.metadata == {"berlin_live": name}
    streamed.widget.says(ready=True, document=True)
    streamed.add("Hello")
    assert f'class="berlin-slot-{name}"' in streamed.data["text/markdown"]
    assert streamed.metadata == {"berlin_live": name}
    streamed = Streamed()
    [name] = streamed.widget.replies
    streamed.widget.says(ready=True, document=False)
    streamed.add("Hello")
    assert f'class="berlin-slot-{name}"' in streamed.data["text/html"]


@pytest.mark.parametrize("answer", [{"document": True}, {"document": False}, None])
@pytest.mark.parametrize("piece", [3, 100, 1900])
def test_at_any_moment_the_display_holds_half_of_what_has_arrived(answer, piece):
    streamed = Streamed()
    if answer:
        streamed.widget.says(ready=True, **answer)
    text = "Some words of a reply. " * 1000
    for at in range(0, len(text), piece):
        streamed.add(text[at : at + piece])
        first = streamed.shell.display_pub.outputs[0]["data"]
        for kind in ("text/plain", "text/markdown"):
            assert 2 * first[kind].count("words") >= streamed.length // 23 - 1
            assert first[kind].count(UNFINISHED) == 1
        if answer == {"document": False}:
            assert 2 * first["text/html"].count("words") >= streamed.length // 23 - 1
            assert UNFINISHED in first["text/html"]


def test_what_keeps_the_display_readable_grows_with_the_length_of_the_reply():
    sent = []
    for length in (10_000, 100_000):
        streamed = Streamed()
        streamed.widget.says(ready=True)
        for _ in range(length // 100):
            streamed.add("Some words of a reply, and some more. " * 3)
        sent.append(streamed.shell.display_pub.sent)
    assert sent[1] < 14 * sent[0]


async def test_a_long_reply_is_rendered_for_the_file_without_holding_up_the_loop():
    streamed = Streamed()
    streamed.widget.says(ready=True, document=True)
    streamed.add("Words. " * 10_000)
    assert "Words" not in streamed.data["text/plain"]
    while "Words" not in streamed.data["text/plain"]:
        await asyncio.sleep(0.01)
        streamed.add("")
    assert streamed.data["text/plain"].count("Words.") == 10_000


@pytest.mark.parametrize("frame", [0.01, 0.05, 0.07, 0.1])
def test_messages_come_eight_or_nine_times_a_second_however_often_it_is_drawn(frame):
    streamed = Streamed()
    streamed.widget.says(ready=True)
    for n in range(round(10 / frame)):
        streamed.add(f"word{n} ", frame)
        streamed.widget.says(painted=len(streamed.widget.messages))
    assert 80 <= len(streamed.widget.messages) <= 90


def test_in_a_front_end_that_may_ignore_updates_the_finished_output_is_displayed_once():
    streamed = Streamed(updates=False)
    streamed.add("Hello")
    assert streamed.shell.display_pub.outputs == []
    streamed.finish()
    assert streamed.data["text/plain"] == "Hello"
    assert streamed.shell.display_pub.updates == 0


def test_in_a_front_end_that_may_ignore_updates_a_widget_that_answers_shows_the_reply_live():
    streamed = Streamed(updates=False)
    streamed.add("Hello")
    streamed.widget.says(ready=True, document=True)
    streamed.add(" world")
    assert "world" in str(streamed.widget.messages)
    assert "berlin-slot-" in streamed.data["text/markdown"]
    streamed.finish()
    assert streamed.data["text/plain"] == "Hello world"


def test_a_page_that_is_opened_later_is_sent_all_and_the_display_and_the_cell():
    streamed = Streamed(cell="cell-1")
    streamed.widget.says(ready=0.5)
    streamed.add("One. ")
    assert "cell" not in streamed.widget.messages[-1]
    before = streamed.shell.display_pub.updates
    streamed.add("1")
    assert streamed.shell.display_pub.updates == before
    streamed.widget.says(ready=0.25)
    streamed.add("2")
    assert streamed.widget.messages[-1]["all"]
    assert streamed.widget.messages[-1]["cell"] == "cell-1"
    assert streamed.shell.display_pub.updates == before + 1


def test_the_widget_is_first_sent_all_that_there_is_and_then_what_is_new():
    streamed = Streamed()
    streamed.add("First words. ")
    streamed.widget.says(ready=True)
    streamed.add("Second words. ")
    streamed.add("Third words. ")
    first, second = streamed.widget.messages
    assert first["all"]
    assert "First" in str(first["p"])
    assert "Second" in str(first["p"])
    assert "Third" in str(second["p"])
    assert "First" not in str(second["p"]) or len(str(second["p"])) < 100
    assert [first["n"], second["n"]] == [1, 2]


def test_nothing_is_sent_while_nothing_is_new():
    streamed = Streamed()
    streamed.widget.says(ready=True)
    streamed.add("Hello")
    before = len(streamed.widget.messages)
    for _ in range(10):
        streamed.add("")
    assert len(streamed.widget.messages) == before


def test_a_slow_front_end_is_sent_fewer_messages_and_loses_nothing():
    streamed = Streamed()
    streamed.widget.says(ready=True)
    for n in range(100):
        streamed.add(f"word{n} ")
    behind = len(streamed.widget.messages)
    assert behind < 20
    streamed.widget.says(painted=max(message.get("n", 0) for message in streamed.widget.messages))
    streamed.add("last")
    assert len(streamed.widget.messages) == behind + 1
    assert "word99" in str(streamed.widget.messages[-1])


def test_a_front_end_that_has_been_silent_for_long_is_asked_where_it_is():
    streamed = Streamed()
    streamed.widget.says(ready=True)
    for n in range(60):
        streamed.add(f"word{n} ")
    assert [message for message in streamed.widget.messages if "where" in message]


def test_a_front_end_that_missed_something_is_sent_all_again():
    streamed = Streamed()
    streamed.widget.says(ready=True)
    streamed.add("One. ")
    streamed.add("Two. ")
    streamed.widget.says(again=True)
    streamed.add("Three. ")
    assert streamed.widget.messages[-1]["all"]
    assert "One" in str(streamed.widget.messages[-1]["p"])


def test_a_front_end_that_calls_twice_is_sent_all_once_and_another_one_gets_its_own():
    streamed = Streamed()
    streamed.widget.says(ready=0.5)
    streamed.add("One. ")
    streamed.widget.says(ready=0.5)
    streamed.add("Two. ")
    assert "all" not in streamed.widget.messages[-1]
    streamed.widget.says(ready=0.25)
    streamed.add("Three. ")
    assert streamed.widget.messages[-1]["all"]


def test_at_the_end_the_output_is_static_and_the_widget_hears_no_more():
    streamed = Streamed()
    streamed.widget.says(ready=True)
    streamed.add("Hello")
    streamed.finish()
    assert streamed.data["text/plain"] == "Hello"
    assert "berlin-slot-" not in streamed.data["text/markdown"] and "text/html" not in streamed.data
    assert streamed.metadata == {"berlin": {"turn": "1"}}
    assert streamed.widget.messages[-1] == {"end": "complete", "words": 1}
    assert streamed.widget.replies == {}


async def test_the_cell_waits_for_the_last_message_of_the_front_end_and_not_for_one_that_has_gone():
    loop = asyncio.get_running_loop()
    streamed = Streamed()
    streamed.widget.says(ready=True)
    streamed.add("Hello")
    streamed.finish()
    loop.call_later(0.05, lambda: streamed.widget.says(bye=True))
    await streamed.view.wait_for_front_end()
    assert streamed.view._gone
    assert streamed.widget.has_front_end
    streamed = Streamed()
    streamed.widget.says(ready=True)
    streamed.finish()
    began = loop.time()
    await streamed.view.wait_for_front_end()
    assert loop.time() - began < 5


def test_what_nobody_saw_the_end_of_is_kept_for_a_page_that_comes_later():
    streamed = Streamed(cell="cell-1")
    streamed.add("Hello")
    streamed.finish()
    cell, show = streamed.widget.kept
    assert cell == "cell-1"
    updates = streamed.shell.display_pub.updates
    show()
    assert streamed.widget.posted[-1] == {"done": True, "cell": "cell-1"}
    assert streamed.shell.display_pub.updates == updates + 1
    assert streamed.data["text/plain"] == "Hello"


async def test_what_a_page_has_shown_before_it_answered_is_not_kept():
    streamed = Streamed(cell="cell-1")
    streamed.finish()
    streamed.widget.says(ready=0.5)
    streamed.view._leave()
    assert streamed.widget.kept == ()
    assert streamed.widget.has_front_end


def test_after_a_reply_that_no_front_end_answered_the_next_one_does_not_wait_for_it():
    streamed = Streamed()
    streamed.add("Hello")
    assert "text/html" not in streamed.data
    streamed.finish()
    assert streamed.widget.has_front_end is False
    widget = streamed.widget
    streamed = Streamed(found=widget)
    streamed.add("Hello")
    assert "Hello" in streamed.data["text/html"]


async def test_stop_is_called_on_the_cells_loop_when_the_click_comes_in_another_thread():
    stopped = asyncio.get_running_loop().create_future()
    streamed = Streamed(stop=lambda: stopped.set_result(threading.current_thread()))
    streamed.widget.says(ready=True)
    thread = threading.Thread(target=streamed.widget.says, kwargs={"stop": True})
    thread.start()
    assert await asyncio.wait_for(stopped, 5) is threading.main_thread()
    thread.join()


def test_without_a_way_to_stop_there_is_no_button():
    streamed = Streamed()
    streamed.widget.says(ready=True)
    streamed.add("Hello")
    assert streamed.widget.messages[0]["s"]["stop"] is False


def test_where_the_kernel_cannot_hear_there_is_no_widget_but_a_hint():
    streamed = Streamed(receives_messages=False)
    streamed.add("Hello")
    assert streamed.widget.posted == []
    assert "■" in streamed.data["text/html"]
    streamed.finish()
    assert "■" not in streamed.data["text/markdown"] and "text/html" not in streamed.data


def test_an_answer_that_comes_late_takes_the_place_of_many_displays_too():
    streamed = Streamed()
    for n in range(300):
        streamed.add(f"Paragraph {n} of a long reply, which goes on and on.\n\n")
    assert len(streamed.shell.display_pub.outputs) > 1
    streamed.widget.says(ready=True, document=True)
    streamed.add("more")
    assert set(streamed.data) == {"text/markdown", "text/plain"}
    assert "Paragraph 0 of" in str(streamed.widget.messages[0]["p"])
    streamed.finish()
    assert streamed.data["text/plain"].endswith("more")


def test_everything_stays_in_one_display_while_an_answer_is_likely():
    streamed = Streamed()
    for _ in range(5):
        streamed.add("A long paragraph of a fast model, which goes on and on and on.\n\n" * 40)
    assert len(streamed.shell.display_pub.outputs) == 1


@pytest.mark.parametrize("live", [True, False])
def test_text_that_was_reasoning_leaves_the_page_and_the_output(live):
    streamed = Streamed()
    if live:
        streamed.widget.says(ready=True, document=True)
    streamed.add("Let me see. ")
    streamed.view.restart()
    streamed.add("It is 42.")
    if live:
        last = streamed.widget.messages[-1]
        assert last["all"] and "Let me" not in str(last["p"]) and "It is 42." in str(last["p"])
    streamed.finish()
    assert streamed.data["text/plain"] == "It is 42." and "Let me" not in str(streamed.data)
