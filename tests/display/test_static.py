from __future__ import annotations

from display.status_of import status_of
from IPython.core.displaypub import CapturingDisplayPublisher

from berlin_magic.display.static import Rendered, StaticView, final_output


def test_the_final_output_holds_html_markdown_and_the_text_itself():
    data, metadata = final_output(Rendered.of("**Hi**  there\n"), status_of("complete"), {"turn": "1"})
    assert data["text/plain"] == "**Hi**  there\n"
    assert set(data) == {"text/html", "text/markdown", "text/plain"}
    assert metadata == {"berlin": {"turn": "1"}}
    assert final_output(Rendered.of("Hi"), status_of("complete"), {})[1] == {}  # a reader of the file passes it over


def test_a_reply_ended_early_is_marked_in_each_form_but_the_text_itself():
    data, _ = final_output(Rendered.of("Hi"), status_of("stopped"), {})
    assert "stopped" in data["text/html"]
    assert "stopped" in data["text/markdown"]
    assert data["text/plain"] == "Hi"


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
