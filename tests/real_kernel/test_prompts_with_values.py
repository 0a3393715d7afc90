"""Values of the notebook in a prompt, in real kernels: what the server is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browser.scripted_server import Reply
from real_kernel.conftest import Server
from real_kernel.rig import Kernel

pytestmark = pytest.mark.kernel


def asked(kernel: Kernel, server: Server, cell: str) -> str:
    """Run a cell in a conversation of its own; return the prompt that the server was sent."""
    server.answers(Reply("Fine."))
    kernel.good(cell)
    return str(server.asked[-1].body["prompt"])


def test_the_value_of_an_expression_is_sent_in_its_place(kernel: Kernel, server: Server) -> None:
    kernel.good("rows = [{'city': 'Berlin', 'n': 3}, {'city': '{{ evil }}', 'n': 4}]\nn = 42")
    prompt = asked(kernel, server, "%%berlin --once\nIs {{ n }} right for {{ rows | json }}?")
    assert prompt.startswith("Is 42 right for ") and "Berlin" in prompt and "{{ evil }}" in prompt


def test_braces_in_text_code_and_fences_go_out_unchanged(kernel: Kernel, server: Server) -> None:
    body = "print({'foo': 'bar'}); f\"{x}\"; $HOME; !ls\n```jinja\n{{ user.name }}\n```\nand \\{{ this }}"
    assert asked(kernel, server, f"%%berlin --once\n{body}") == body.replace("\\{{", "{{")
    assert asked(kernel, server, "%%berlin --once --no-expand\nAs is: {{ x }} \\{{") == "As is: {{ x }} \\{{"


def test_what_can_not_be_evaluated_is_told_before_anything_is_sent(kernel: Kernel, server: Server) -> None:
    kernel.good("frame = 1")
    before = len(server.asked)
    for body, words in (
        ("a\n{{ fram }}", "Did you mean frame?"),
        ("{{}}", "--no-expand"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ key }}", "--allow-secrets"),
    ):
        kernel.good("key = 'sk-' + 'a' * 40")
        run = kernel.run(f"%%berlin\n{body}")
        assert run.status == "error" and words in run.error and len(run.error.splitlines()) < 6, run.error
    assert len(server.asked) == before
    assert "sk-" not in "".join(str(message.content) for message in run.messages)
    assert kernel.value("len(__import__('berlin_magic').conversation())") == "0"


def test_awaitables_are_awaited_and_names_beside_the_prompt_are_sent(kernel: Kernel, server: Server) -> None:
    kernel.good(
        "import asyncio\nasync def later():\n    await asyncio.sleep(0.01)\n    return 'waited for'\na, b = 1, 'two'"
    )
    assert "waited for" in asked(kernel, server, "%%berlin --once\n{{ later() }}")
    prompt = asked(kernel, server, "%%berlin --once --with a,b\nWhat are these?")
    assert prompt.index("a:") < prompt.index("b:") < prompt.index("What are these?") and "two" in prompt


def test_the_notebook_itself_can_be_quoted(kernel: Kernel, server: Server, tmp_path: Path) -> None:
    kernel.good("def halve(x):\n    return x / 2")
    kernel.good("halve(84)")
    kernel.run("halve('a string')")
    (tmp_path / "notes.md").write_text("Remember the milk.")
    prompt = asked(kernel, server, "%%berlin --once\n{{ cells[-2:] }}\n{{ _ }}\n{{ last_error }}")
    assert "halve(84)" in prompt and "42.0" in prompt and "TypeError" in prompt and "return x / 2" in prompt
    assert "Remember the milk." in asked(
        kernel, server, f"%%berlin --once\n{{{{ file({str(tmp_path / 'notes.md')!r}) }}}}"
    )


def test_at_the_level_schema_no_data_is_sent(kernel: Kernel, server: Server) -> None:
    kernel.good("%config BerlinMagics.data = 'schema'\ndata = {'name': ['wordofdata', 'b'], 'n': [1, 2]}")
    try:
        for expression in ("data", "data | full", "str(data)", "data['name'][0]", "data | json", "[*data['name']]"):
            prompt = asked(kernel, server, f"%%berlin --once\nLook: {{{{ {expression} }}}}")
            assert "wordofdata" not in prompt and prompt.startswith("Look: "), expression
    finally:
        kernel.good("%config BerlinMagics.data = 'full'")


def test_the_saved_output_holds_the_prompt_as_it_was_written(kernel: Kernel, server: Server) -> None:
    kernel.good("word = 'wordofmine'")
    server.answers(Reply("Fine."))
    run = kernel.good("%%berlin\nThe word is {{ word }}.")
    assert "wordofmine" in str(server.asked[-1].body["prompt"])
    assert "wordofmine" not in json.dumps(run.outputs)
    server.answers(Reply("Fine again."))
    kernel.good("%%berlin\nAnd now?")
    assert "wordofmine" in str(server.asked[-1].body["prompt"]), "the turn is sent again as it was asked"


def test_a_dry_run_shows_what_would_be_sent_and_sends_and_stores_nothing(kernel: Kernel, server: Server) -> None:
    kernel.good("word = 'wordofmine'")
    server.answers(Reply("Fine."))
    kernel.good("%%berlin\nFirst?")
    before = len(server.asked)
    run = kernel.good("%%berlin --dry-run\nThe word is {{ word }}.")
    assert len(server.asked) == before and kernel.value("len(__import__('berlin_magic').conversation())") == "1"
    shown = run.answer["text/plain"]
    assert "First?" in shown and "The word is" in shown and "wordofmine" in shown and server.url in shown
    assert "berlin" not in run.outputs[0]["metadata"] and "tokens" in shown
    server.answers(Reply("Fine."))
    run = kernel.good("%%berlin --show\nThe word is {{ word }}.")
    assert len(server.asked) == 1
    assert str(server.asked[-1].body["prompt"]) in run.outputs[0]["data"]["text/plain"]
