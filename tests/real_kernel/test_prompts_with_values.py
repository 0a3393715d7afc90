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
    slip = run.answer["text/html"].partition('<details class="berlin-slip">')[2]
    assert "word: str, 10 characters, sample" in slip and server.url in slip and "what was sent" in slip
    assert "what was sent" not in run.answer["text/plain"] + run.answer["text/markdown"]
    server.answers(Reply("Fine again."))
    run = kernel.good("%%berlin\nAnd now?")
    assert "text/html" not in run.answer, "nothing but what the notebook shows was sent"
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


def test_the_last_error_is_asked_about_with_the_cell_that_raised_it(kernel: Kernel, server: Server) -> None:
    cell = "def halve(x):\n    return x / 2\n\nhalve('a string')"
    kernel.run(cell)
    kernel.run("%berlin histroy")
    kernel.run("%%berlin\n{{ unknown_name }}")
    kernel.good("last_error = failed_cell = 'mine'")
    prompt = asked(kernel, server, "%berlin fix in {{ 6 * 7 }} words")
    assert f"```python\n{cell}\n```" in prompt and "TypeError: unsupported operand" in prompt
    assert prompt.endswith("in 42 words") and "mine" not in prompt and "→    2     return x / 2" in prompt
    before = len(server.asked)
    run = kernel.good("%berlin fix --dry-run in two words")
    assert "halve('a string')" in run.answer["text/plain"] and "in two words" in run.answer["text/plain"]
    assert "--dry-run" not in run.answer["text/plain"] and "berlin" not in run.outputs[0]["metadata"]
    run = kernel.run("%berlin explain --dryrun")
    assert "Did you mean --dry-run?" in run.stderr + run.error and len(server.asked) == before
    kernel.run("for i in range(3) print(i)")
    prompt = asked(kernel, server, "%berlin explain")
    assert "for i in range(3) print(i)" in prompt and "SyntaxError" in prompt and "explain what" in prompt.casefold()
    kernel.good("del last_error, failed_cell\n%config BerlinMagics.data = 'schema'")
    before = len(server.asked)
    run = kernel.run("%berlin fix")
    kernel.good("%config BerlinMagics.data = 'full'")
    assert run.status == "error" and "schema" in run.stderr + run.error and len(server.asked) == before


def test_turns_whose_data_has_changed_are_listed_and_not_replayed(kernel: Kernel, server: Server) -> None:
    kernel.good("numbers = list(range(9000))\nword = 'as it was'")
    cell = "%%berlin --replay\nWhat are {{ numbers | schema }} and {{ word | schema }}?"
    server.answers(Reply("Numbers."))
    first = kernel.good(cell, cell="c1")
    (uses,) = [value["uses"] for value in first.metadata["values"] if value["code"] == "numbers"]
    assert list(uses) == ["numbers"] and "exact" in uses["numbers"]
    assert kernel.good("%berlin stale").stdout.startswith("Nothing has changed")
    before = len(server.asked)
    assert kernel.good(cell, cell="c1").metadata["replayed"] and len(server.asked) == before
    body = server.asked[-1].body["prompt"]

    kernel.good("numbers[4567] = -1")
    assert "`numbers` has changed since" in kernel.good("%berlin stale").stdout
    assert "`numbers` has changed since" in kernel.good("%berlin history").stdout
    later = kernel.good("%%berlin\nAnd now?", cell="c2")
    assert later.metadata["changed_before"] == "numbers"
    assert "numbers has changed since an earlier turn" in later.answer["text/markdown"].replace("`", "")
    kernel.good("%config BerlinMagics.replay = 'only'")
    run = kernel.run(cell, cell="c1")
    kernel.good("%config BerlinMagics.replay = 'off'")
    assert run.status == "error" and "`numbers` changed since" in run.error and "word" not in run.error.splitlines()[-1]
    before = len(server.asked)
    again = kernel.good(cell, cell="c1")
    assert len(server.asked) == before + 1 and "replayed" not in again.metadata
    assert server.asked[-1].body["prompt"] == body, "the request alone does not tell"
    assert kernel.good("%berlin stale").stdout.startswith("Nothing has changed")
    kernel.good("numbers[4567] = 4567")
    assert kernel.good(cell, cell="c1").metadata["replayed"], "it is again what it was at first"


def test_a_template_is_saved_and_used_and_one_beside_the_notebook_sees_nothing(
    kernel: Kernel, server: Server, tmp_path: Path
) -> None:
    kernel.good(f"import os\nos.environ['BERLIN_TEMPLATES'] = {str(tmp_path / 'mine')!r}\nn, sales = 42, [1, 2, 3]")
    assert "%berlin template save" in kernel.good("%berlin template list").stdout
    asked(
        kernel,
        server,
        "%%berlin\nIn a {{ tone }} tone: is {{ n }} right for {{ data | json }}?".replace("{{ tone }}", "dry").replace(
            "{{ data | json }}", "{{ sales | json }}"
        ),
    )
    assert "review.txt" in kernel.good("%berlin template save review").stdout
    assert (tmp_path / "mine" / "review.txt").read_text() == "In a dry tone: is {{ n }} right for {{ sales | json }}?\n"
    assert kernel.run("%berlin template save review").status == "error"
    (tmp_path / "mine" / "tone.txt").write_text("In a {{ tone }} tone: is {{ n }} right for {{ data | json }}?")
    shown = kernel.good("%berlin template list").stdout
    assert (
        "review" in shown
        and "tone" in shown
        and "In a {{ tone }} tone" in kernel.good("%berlin template show tone").stdout
    )
    line = "%%berlin --once -T tone tone='very {{ n }}' data={{ sales[1:] }}"
    assert asked(kernel, server, line) == "In a very {{ n }} tone: is 42 right for [2, 3]?"
    assert asked(kernel, server, f"{line} Why {{{{ n }}}}?\nSay.").endswith("[2, 3]?\n\nWhy 42?\nSay.")
    before = len(server.asked)
    for wrong, words in (
        ("-T tome", "Did you mean tone?"),
        ("-T tone tine=1", "no {{ tine }}"),
        ("-T tone", "there is no `tone`"),
        ("-T ../x", "can't be read"),
        ("-T x.txt", "-T ./review.txt"),
    ):
        run = kernel.run(f"%%berlin {wrong}")
        assert run.status == "error" and words in run.error + run.stderr, run.error + run.stderr

    beside = tmp_path / "theirs.txt"
    beside.write_text("Tell {{ whom }} of {{ what }}: {{ n }}")
    run = kernel.run(f"%%berlin -T {beside} whom=me what=x")
    assert run.status == "error" and "sees nothing of the notebook" in run.error and len(server.asked) == before
    beside.write_text("Tell {{ whom }} of {{ what }}.")
    server.answers(Reply("Told."))
    run = kernel.good(f"%%berlin --once -T {beside} whom=me what={{{{ sales }}}}")
    assert server.asked[-1].body["prompt"] == "Tell me of [1, 2, 3]."
    assert "Tell me of [1, 2, 3]." in run.outputs[0]["data"]["text/plain"] and "Told." in str(run.outputs[1]["data"])
    assert "Deleted" in kernel.good("%berlin template delete review").stdout


def test_run_all_after_a_restart_sends_equal_requests_and_replays(
    kernel: Kernel, server: Server, tmp_path: Path
) -> None:
    cells = [
        "import collections\nrows = [{'city': 'Berlin', 'n': i, 'tags': {'a', 'b', 'c'}} for i in range(300)]",
        "def total(rows):\n    return sum(row['n'] for row in rows)",
        "%%berlin\nWhat is {{ rows }} about? {{ total }} {{ collections.Counter(row['n'] % 3 for row in rows) }}",
        "%%berlin\nIs {{ total(rows) }} right? {{ cells[0] }}",
    ]

    def run_all() -> list[str]:
        before = len(server.asked)
        for number, cell in enumerate(cells):
            kernel.good(cell.replace("%%berlin", f"%%berlin {options}".strip()), cell=f"cell-{number}")
        return [str(one.body["prompt"]) for one in server.asked[before:]]

    def restart() -> None:
        kernel.manager.restart_kernel(now=True)
        kernel.client.wait_for_ready(timeout=60)
        kernel.good("%load_ext berlin_magic")

    options = ""
    restart()
    server.answers(Reply("Rows."))
    first = run_all()
    kernel.good(f"__import__('berlin_magic').conversation().save({str(tmp_path / 'talk.json')!r})")
    restart()
    assert run_all() == first and len(first) == 2
    restart()
    options = f"--replay-from {tmp_path / 'talk.json'}"
    assert run_all() == []
    cells[0] += "\nrows[150]['n'] = -1"
    assert len(run_all()) == 2
