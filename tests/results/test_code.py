import pytest

from berlin_magic.results.code import CodeBlock, code_blocks, python_code

PYTHON = "```python\nx = 1\n```"


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        (PYTHON, [("python", "x = 1")]),
        ("Text.\n\n~~~ Py\nx = 1\n\ny = 2\n~~~\nMore.", [("py", "x = 1\n\ny = 2")]),
        ("1. First:\n\n   ```bash\n   ls\n     -l\n   ```", [("bash", "ls\n  -l")]),
        ("> ```sql\n> select 1\n> ```", [("sql", "select 1")]),
        ('```{python} title="a.py"\nx\n```', [("python", "x")]),
        ("````\n```python\nx\n```\n````", [("", "```python\nx\n```")]),
        ("Text:\n\n    indented\n", [("", "indented")]),
        ("```\nstill open", [("", "still open")]),
        (f"{PYTHON}\n{PYTHON}", [("python", "x = 1")] * 2),
        ("`x = 1`, and no block", []),
        ("```c++\nint x;\n```", [("c++", "int x;")]),
        ("<div>\n```python\nx\n```\n</div>", [("python", "x")]),
    ],
)
def test_the_blocks_of_a_reply_have_their_language_and_their_text(text, blocks):
    assert code_blocks(text) == blocks


def test_blocks_that_say_that_they_are_python_go_before_those_that_say_nothing():
    blocks = [CodeBlock("bash", "ls"), CodeBlock("", "out"), CodeBlock("python", "a"), CodeBlock("py", "b")]

    assert python_code(blocks) == "a\n\nb"
    assert python_code(blocks[:2]) == "out"
    assert python_code(blocks[:1]) == ""
