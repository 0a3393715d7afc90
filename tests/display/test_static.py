from __future__ import annotations

from dataclasses import replace

import pytest
from display.status_of import status_of
from IPython.core.displaypub import CapturingDisplayPublisher

from berlin_magic.display import static
from berlin_magic.display.markdown import to_html
from berlin_magic.display.static import Rendered, StaticView, final_output
from berlin_magic.display.view import Status


def test_the_final_output_holds_markdown_and_the_text_itself():
    data, metadata = final_output(Rendered.of("**Hi**  there\n"), status_of("complete"), {"turn": "1"})
    assert data["text/plain"] == "**Hi**  there\n"
    assert set(data) == {"text/markdown", "text/plain"}
    assert data["text/markdown"].startswith(
        '<div class="berlin-reply">\n\n**Hi**  there\n\n</div>\n<div class="berlin-status"'
    )
    assert "gpt-test · 2.0 s" in data["text/markdown"]
    assert metadata == {"berlin": {"turn": "1"}}
    assert final_output(Rendered.of("Hi"), status_of("complete"), {})[1] == {}  # a reader of the file passes it over


@pytest.mark.parametrize("text", ["Hi $x$", "Hi <b>", "- [ ] Hi", "\u05e9\u05dc\u05d5\u05dd Hi"])
def test_a_reply_that_may_be_more_than_plain_formatting_has_html_and_markdown_without_elements(text):
    data, _ = final_output(Rendered.of(text), status_of("complete"), {})
    assert set(data) == {"text/html", "text/markdown", "text/plain"}
    assert "Hi" in data["text/html"] and "berlin-status" in data["text/html"]
    assert "berlin-" not in data["text/markdown"]


@pytest.mark.parametrize(
    "status",
    [
        status_of("complete", model="gpt-<b>4</b>"),
        status_of("complete", notes=("costs $1, then $2",)),
        Status("complete", "m", "p", reasoning="I think"),
        Status("complete", "m", "p", slip="df: 3 rows"),
    ],
)
def test_words_around_a_reply_that_need_html_have_it(status):
    data, _ = final_output(Rendered.of("Hi"), status, {})
    assert set(data) == {"text/html", "text/markdown", "text/plain"}
    assert "berlin-status" in data["text/html"] and "berlin-status" not in data["text/markdown"]


@pytest.mark.parametrize("text", ["Hi", "Hi $x$"])
def test_a_reply_ended_early_is_marked_in_each_form_but_the_text_itself(text):
    data, _ = final_output(Rendered.of(text), status_of("stopped"), {})
    assert data.pop("text/plain") == text
    assert all("stopped" in form for form in data.values())


def test_the_static_view_displays_once_at_the_end():
    class Shell:
        display_pub = CapturingDisplayPublisher()

    view = StaticView(Shell())
    view.begin(status_of("waiting"))
    for piece in ("one ", "two"):
        view.feed(piece)
        view.draw(status_of())
    assert Shell.display_pub.outputs == []
    view.finish(status_of("complete"), {"turn": "1"})
    [output] = Shell.display_pub.outputs
    assert output["data"]["text/plain"] == "one two"
    assert output["metadata"] == {"berlin": {"turn": "1"}}
    assert not output["update"]


def test_text_that_was_reasoning_is_no_part_of_the_output():
    class Shell:
        display_pub = CapturingDisplayPublisher()

    view = StaticView(Shell())
    view.begin(status_of("waiting"))
    view.feed("Let me see.")
    view.restart()
    view.feed("42")
    view.finish(status_of("complete"), {})
    assert Shell.display_pub.outputs[0]["data"]["text/plain"] == "42"


def test_the_text_itself_is_kept_but_for_what_would_command_a_terminal() -> None:
    data, _ = final_output(Rendered.of("a <b>\t**c**\n\x1b[31mred\x1b]0;title\x07 end"), status_of("complete"), {})
    assert data["text/plain"].startswith("a <b>\t**c**\n")
    assert "\x1b" not in data["text/plain"] and "red" in data["text/plain"]


def test_a_reply_that_was_abandoned_is_left_as_it_was_written_and_safe():
    class Shell:
        display_pub = CapturingDisplayPublisher()

    text = "# Head\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) ```\n</pre>\n"
    view = StaticView(Shell())
    view.begin(status_of("waiting"))
    view.feed(text)
    view.abandon()
    view.prepare_finish()  # may end later, in its thread
    view.finish(status_of("interrupted"), {})
    data = Shell.display_pub.outputs[0]["data"]
    assert data["text/plain"] == text
    for form in ("text/html", "text/markdown"):
        assert "<pre>\n# Head" in data[form] and data[form].count("</pre>") == 1 and "<script" not in data[form]


@pytest.mark.parametrize(
    ("text", "with_html", "rendered"),
    [("**Hi**", False, 0), ("**Hi**", True, 1), ("a <b>", False, 1), ("a <b>", True, 1)],
)
def test_html_is_rendered_once_before_the_end_if_it_is_to_be_saved_and_never_else(
    monkeypatch, text, with_html, rendered
):
    calls = []
    monkeypatch.setattr(static, "to_html", lambda text: calls.append(text) or to_html(text))

    class Shell:
        display_pub = CapturingDisplayPublisher()

    view = StaticView(Shell())
    view.feed(text)
    view.prepare_finish(with_html=with_html)
    assert len(calls) == rendered
    view.finish(replace(status_of("complete"), reasoning="Let me see." if with_html else ""), {})
    assert len(calls) == rendered
    assert ("text/html" in Shell.display_pub.outputs[0]["data"]) is bool(rendered)
