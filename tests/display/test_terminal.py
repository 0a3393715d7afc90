from __future__ import annotations

import io

from display.status_of import status_of

from berlin_magic.display.terminal import TerminalView


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(out, state="complete", pieces=("Hello ", "world.")):
    view = TerminalView(out)
    view.begin(status_of("waiting"))
    for piece in pieces:
        view.feed(piece)
        view.draw(status_of())
    view.finish(status_of(state, sum(map(len, pieces))), {})
    return out.getvalue()


def test_text_is_written_as_it_arrives():
    out = Terminal()
    view = TerminalView(out)
    view.begin(status_of("waiting"))
    view.feed("Hello")
    view.draw(status_of())
    assert out.getvalue().endswith("Hello")


def test_text_that_was_reasoning_is_told_apart_from_the_reply():
    out = Terminal()
    view = TerminalView(out)
    view.begin(status_of("waiting"))
    for piece in ("Let me see.", None, "42"):
        if piece is None:
            view.restart()
        else:
            view.feed(piece)
            view.draw(status_of())
    view.finish(status_of("complete"), {})
    assert "Let me see.\n" in out.getvalue() and "thinking" in out.getvalue().rpartition("see.")[2].rpartition("42")[0]


def test_a_pipe_gets_the_text_alone():
    assert shown(io.StringIO()) == "Hello world.\n"


def test_a_pipe_is_told_when_a_reply_ended_too_early():
    assert "cut off" in shown(io.StringIO(), "cut")


def test_a_terminal_gets_the_waiting_line_taken_away_and_a_last_quiet_line():
    written = shown(Terminal())
    waiting, reply = written.split("\r\x1b[2K")[-2:]
    assert "waiting for the first word" in waiting
    assert reply.startswith("Hello world.\n")
    assert "12 characters" in reply.splitlines()[-1]


def test_a_reply_without_a_word_leaves_one_line():
    assert shown(Terminal(), "failed", pieces=()).split("\r\x1b[2K")[-1].count("\n") == 1


def test_a_waiting_line_never_wraps_since_it_could_not_be_erased(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    out = Terminal()
    TerminalView(out).begin(status_of("waiting", notes=("a long remark " * 10,)))
    assert len(out.getvalue().replace("\r\x1b[2K\x1b[2m", "").replace("\x1b[0m", "")) < 30
