from __future__ import annotations

import asyncio
import threading

import pytest
from display.recorded import Clock, RecordingShell
from display.status_of import status_of

from berlin_magic.display import widget
from berlin_magic.display.live import LiveView

WIDGET_TYPE = "application/vnd.jupyter.widget-view+json"


class FakeWidget:
    """What the live view needs of its widget, without a comm."""

    model_id = "the-model"

    def __init__(self) -> None:
        self.messages: list[dict] = []
        self.is_closed = False
        self._take = lambda *_: None
        made.append(self)

    def on_msg(self, take):
        self._take = take

    def send(self, message):
        assert not self.is_closed
        self.messages.append(message)

    def close(self):
        self.is_closed = True

    def says(self, **content):
        self._take(self, content, [])


made: list[FakeWidget] = []


@pytest.fixture(autouse=True)
def _fake_widgets(monkeypatch):
    made.clear()
    monkeypatch.setattr(widget, "LiveWidget", FakeWidget)


class Streamed:
    def __init__(self, **options) -> None:
        self.shell = RecordingShell()
        self.clock = Clock()
        self.view = LiveView(self.shell, clock=self.clock, **options)
        self.view.begin(status_of("waiting"))
        self.widget = made[0] if made else None
        self.length = 0

    def add(self, text):
        self.view.feed(text)
        self.length += len(text)
        self.clock.now += 0.2
        self.view.draw(status_of(characters=self.length))

    def finish(self, state="complete"):
        self.view.finish(status_of(state, self.length), {"turn": "1"})

    @property
    def data(self):
        [output] = self.shell.display_pub.outputs
        return output["data"]


def test_it_shows_plain_text_until_the_widget_answers():
    streamed = Streamed()
    streamed.add("Hello ")
    assert "Hello" in streamed.data["text/html"]
    streamed.widget.says(ready=True)
    streamed.add("world")
    assert streamed.data[WIDGET_TYPE]["model_id"] == "the-model"


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
    assert behind < 15
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


def test_at_the_end_the_output_is_static_and_the_widget_closed():
    streamed = Streamed()
    streamed.widget.says(ready=True)
    streamed.add("Hello")
    streamed.finish()
    assert streamed.data["text/plain"] == "Hello"
    assert WIDGET_TYPE not in streamed.data
    assert streamed.widget.is_closed


async def test_on_a_loop_the_widget_closes_when_the_front_end_has_said_its_last_word():
    streamed = Streamed()
    streamed.widget.says(ready=True)
    streamed.add("Hello")
    streamed.finish()
    assert not streamed.widget.is_closed
    streamed.widget.says(bye=True)
    await asyncio.sleep(0)
    assert streamed.widget.is_closed


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
    streamed = Streamed(hears=False)
    streamed.add("Hello")
    assert made == []
    assert "■" in streamed.data["text/html"]
    streamed.finish()
    assert "■" not in streamed.data["text/html"]


def test_an_answer_that_comes_late_takes_the_place_of_many_displays_too():
    streamed = Streamed()
    for n in range(300):
        streamed.add(f"Paragraph {n} of a long reply, which goes on and on.\n\n")
    assert len(streamed.shell.display_pub.outputs) > 1
    streamed.widget.says(ready=True)
    streamed.add("more")
    assert streamed.data[WIDGET_TYPE]
    assert "Paragraph 0 of" in str(streamed.widget.messages[0]["p"])
    streamed.finish()
    assert streamed.data["text/plain"].endswith("more")


def test_everything_stays_in_one_display_while_an_answer_is_likely():
    streamed = Streamed()
    for _ in range(5):
        streamed.add("A long paragraph of a fast model, which goes on and on and on.\n\n" * 40)
    assert len(streamed.shell.display_pub.outputs) == 1
