from __future__ import annotations

from display.recorded import Clock, RecordingShell
from display.replies import long_reply
from display.status_of import status_of

from berlin_magic.display.cell_output import CellOutput
from berlin_magic.display.fallback import PlainDisplay
from berlin_magic.display.markdown import Document
from berlin_magic.display.slot import Slot


class Streamed:
    """A reply of `text` that arrives at 2 kB a second, drawn twenty times a second."""

    def __init__(self, **options) -> None:
        self.shell = RecordingShell()
        self.clock = Clock()
        self.document = Document()
        output = CellOutput(self.shell)
        self.slot = Slot(output)
        self.plain = PlainDisplay(output, self.slot, self.document, clock=self.clock, **options)
        self.length = 0

    def begin(self):
        self.slot.show(status_of("waiting"))
        self.plain.draw(status_of("waiting"))
        return self

    def end(self, text):
        self.plain.remove()
        self.slot.finish({"text/plain": text, "text/html": ""}, {})

    def add(self, text):
        for at in range(0, len(text), 100):
            self.document.feed(text[at : at + 100])
            self.length += len(text[at : at + 100])
            self.clock.now += 0.05
            self.plain.draw(status_of(characters=self.length, elapsed=self.clock.now - 100))
        return self

    @property
    def shown(self):
        return "".join(output["data"]["text/html"] for output in self.shell.display_pub.outputs)


def test_the_first_text_is_shown_at_once():
    streamed = Streamed().begin()
    streamed.document.feed("Hello")
    streamed.plain.draw(status_of(characters=5))
    assert "Hello" in streamed.shown


def test_the_clock_in_the_status_line_goes_on_while_nothing_arrives():
    streamed = Streamed().begin()
    streamed.clock.now += 3
    streamed.plain.draw(status_of("waiting", elapsed=3.0))
    assert "3.0 s" in streamed.shown


def test_a_long_reply_takes_several_displays_and_all_of_it_is_shown():
    text = long_reply(60_000)
    streamed = Streamed().begin().add(text)
    streamed.clock.now += 100
    streamed.document.feed("\nThe very last words.\n\n")
    streamed.plain.draw(status_of(characters=60_023))
    assert 2 < len(streamed.shell.display_pub.outputs) < 20
    for n in range(1, text.count("### ")):
        assert streamed.shown.count(f"Section {n}<") == 1
    assert "The very last words." in streamed.shown


def test_at_the_end_one_output_is_left():
    streamed = Streamed().begin().add(long_reply(60_000))
    streamed.end("all")
    assert [output["data"]["text/plain"] for output in streamed.shell.display_pub.outputs] == ["all"]


def test_in_a_cell_that_shows_other_things_they_stay():
    streamed = Streamed(owns_cell=False)
    streamed.shell.display_pub.publish({"text/plain": "theirs", "text/html": ""})
    streamed.begin().add(long_reply(60_000))
    streamed.end("all")
    assert [output["data"]["text/plain"] for output in streamed.shell.display_pub.outputs] == ["theirs", "all"]


def test_in_a_cell_that_shows_other_things_the_cost_is_bounded_too():
    text = long_reply(100_000)
    streamed = Streamed(owns_cell=False).begin().add(text)
    assert streamed.shell.display_pub.sent < 20 * len(text)
