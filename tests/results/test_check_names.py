"""What a check takes along from the user's namespace."""

from __future__ import annotations

import linecache
import math
from typing import Any

from berlin_magic.results.check_names import names_for
from berlin_magic.results.checks import Check


def notebook(source: str) -> dict[str, Any]:
    """Return the namespace in which a cell has been run."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    linecache.cache["<cell>"] = (len(source), None, source.splitlines(keepends=True), "<cell>")
    exec(compile(source, "<cell>", "exec"), namespace)
    return namespace


def test_data_goes_as_data_modules_by_name_and_functions_as_source() -> None:
    user = notebook("import math as m\nfrom math import sqrt\nlimit = 3\ndef helper(x): return x < limit and m\n")
    user["helper"].__module__ = "__main__"
    names = names_for(Check.of("helper(f(2)) and sqrt(4)"), "def f(x): return m.floor(x)", user)
    assert names.modules == {"m": ("math", ""), "sqrt": ("math", "sqrt")}
    assert names.variables == {"limit": 3}
    assert names.definitions == ["def helper(x): return x < limit and m\n"]
    assert names.theirs == {"f"}
    assert names.shared_modules == {"m": "math"} and not names.shared


def test_a_name_that_the_code_defines_is_the_codes_and_not_an_older_one_of_the_notebook() -> None:
    user = notebook("def f(x): return 4\nexpected = 4\n")
    names = names_for(Check.of("f(2) == expected"), "def f(x): return 5", user)
    assert names.theirs == {"f"} and not names.definitions and names.variables == {"expected": 4}


def test_only_variables_that_the_question_names_are_shared_and_the_check_finds_them_as_the_code_leaves_them() -> None:
    user = {"rows": [1, 2], "secret": "s", "lock": math}
    names = names_for(Check.of("len(rows) == 2"), "rows.append(secret)", user, ["rows", "nothing"])
    assert names.shared == {"rows": [1, 2]} and "rows" in names.theirs and not names.variables


def test_what_can_not_be_copied_is_named_with_the_reason() -> None:
    circle: list[Any] = []
    circle.append(circle)
    user = {"stream": iter([]), "circle": circle}
    names = names_for(Check.of("f(stream, circle)"), "", user)
    assert "list_iterator" in names.left_out["stream"] and "itself" in names.left_out["circle"]


def test_a_lambda_goes_as_the_line_that_defines_it() -> None:
    user = notebook("near = lambda a, b: abs(a - b) < 1\ntable = {'f': lambda a: a}\nother = table['f']\n")
    for name in ("near", "other"):
        user[name].__module__ = "__main__"
    names = names_for(Check.of("near(f(2), 4) and other(3)"), "", user)
    assert names.definitions == ["near = lambda a, b: abs(a - b) < 1\n"]
    assert "write it with def" in names.left_out["other"]
