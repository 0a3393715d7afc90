from __future__ import annotations

from dataclasses import replace

import pytest
from display.status_of import status_of

from berlin_magic.display import status_line


def test_it_tells_model_time_amount_rate_and_notes_while_streaming():
    shown = status_line.sentence(status_of("streaming", 1200, 4.0, ("3 earlier turns left out",)))
    assert shown == "gpt-test · 4.0 s · 1,200 characters · 300/s · 3 earlier turns left out"


def test_it_says_that_the_first_word_is_awaited():
    assert "waiting for the first word" in status_line.sentence(status_of("waiting"))


@pytest.mark.parametrize("state", ["stopped", "interrupted", "cut", "failed"])
def test_a_reply_that_ended_too_early_is_marked_in_html_and_in_markdown(state):
    assert status_line.as_markdown(status_of(state))
    assert status_line.sentence(status_of(state)) != status_line.sentence(status_of("complete"))


def test_what_a_reply_lacks_is_in_every_form_of_its_output():
    status = replace(status_of("complete"), remark="ended at the length limit")
    assert status_line.as_markdown(status) == "*(ended at the length limit)*"
    assert "ended at the length limit" in status_line.as_html(status)


def test_a_complete_reply_has_no_remark_in_its_markdown():
    assert status_line.as_markdown(status_of("complete")) == ""


@pytest.mark.parametrize("hostile", ["<img src=x onerror=alert(1)>", "a\x1b]0;title\x07b", "a\u202eb", "x\ny"])
def test_a_hostile_model_name_or_note_is_shown_as_harmless_text(hostile):
    html = status_line.as_html(status_of(model=hostile, notes=(hostile,)))
    assert "<img" not in html
    assert all(char.isprintable() for char in html)
    assert "\u202e" not in html


def test_what_was_sent_is_folded_in_the_line_and_is_text_alone():
    status = replace(status_of("complete"), slip="value  <b>df</b>: $x$ \x1b[31m\u202e</details>\nto  Test")
    html = status_line.as_html(status)
    start, inside = html.index("<details"), html.partition("<div style")[2]
    assert "<details open" not in html and html.index("gpt-test") > start and html.count("</details>") == 1
    assert "&lt;b&gt;df" in inside and "\nto Test" in inside and "\x1b" not in html and "\u202e" not in html
    assert "$x$" not in html, "no formula is made of it"
    assert "details" not in status_line.as_html(status_of("complete"))


def test_a_slip_is_short_in_the_saved_file():
    status = replace(status_of("complete"), slip="\n".join(f"value  name_{n}: list" for n in range(1000)))
    assert len(status_line.as_html(status)) < 3000 and "…" in status_line.as_html(status)
