"""Reasoning in the saved output: folded, plain text, and in the HTML alone."""

from __future__ import annotations

from dataclasses import replace

from display.status_of import status_of

from berlin_magic.display.static import Rendered, final_output, folded


def test_reasoning_is_folded_into_one_line_above_the_reply_and_stands_in_no_other_form() -> None:
    status = replace(status_of("complete"), reasoning="first\nthen")
    data, metadata = final_output(Rendered.of("The reply."), status, {})
    start = data["text/html"].index("<details")
    assert start < data["text/html"].index("</details>") < data["text/html"].index("The reply.")
    assert "<details open" not in data["text/html"]
    assert "first" not in data["text/markdown"] + data["text/plain"] + str(metadata)


def test_without_reasoning_there_is_no_fold() -> None:
    data, _ = final_output(Rendered.of("The reply."), status_of("complete"), {})
    assert "<details" not in data["text/markdown"] and "text/html" not in data
    assert folded("  \n ") == folded("\x1b\u202e") == ""


def test_its_markup_and_control_characters_do_nothing() -> None:
    html = folded("<img src=x onerror=alert(1)></details><script>x</script>\x1b[31m\u202e&amp; 'q' \"q\"")
    inside = html.partition("<div ")[2].partition(">")[2].removesuffix("</div></details>\n")
    assert "<" not in inside and "\x1b" not in html and "\u202e" not in html
    assert "&amp;amp;" in inside


def test_a_very_long_one_is_cut_with_a_count() -> None:
    html = folded("x" * 50_000)
    assert len(html) < 21_000 and "30,000 more characters" in html


def test_its_lines_and_every_script_are_kept() -> None:
    assert "eins\n\tzwei 三 👩\u200d🚀" in folded("eins\n\tzwei 三 👩\u200d🚀")
