"""A grammar of Markdown texts: everything that parsers disagree about, mixed without mercy."""

from __future__ import annotations

import random

__all__ = ["GROWN", "text"]

_WORDS = ["a", "foo", "bar baz", "x_y_z", "1", "2.5", "*", "_", "**b**", "*i*", "~~s~~", "\\*", "&amp;", "&#60;", "é", "語",
          "😀", "\\", "\\\\", "!", "#", "=", "+", ":", "@", "@@0@@", "~T", "~D", "%", "{", "}", "|"]  # fmt: skip
_CODE = ["`c`", "`` ` ``", "`a | b`", "`$`", "`$$`", "`$x$`", "`\\\\[`", "`\\\\(x\\\\)`", "`\\begin{x}`", "`<b>`", "``", "`",
         "```", "`<img src=x onerror=alert(1)>`", "` `` `", "`a\nb`"]  # fmt: skip
_HTML = ["<b>", "</b>", "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "<!-- x -->", "<!--", "-->", "<?php ?>",
         "<![CDATA[x]]>", "<a href='javascript:alert(1)'>x</a>", "<div>", "</div>", "<svg onload=alert(1)>", "<pre>",
         "<textarea>", "<style>*{}</style>", "<iframe src=https://e.example>", "<details open ontoggle=alert(1)>", "<",
         ">", "<x", "<img src=x\nonerror=alert(1)>", "</p>", "<script", "<form action=x>"]  # fmt: skip
_LINKS = ["[a](https://e.example/x)", "[a](javascript:alert(1))", "![a](https://e.example/i.png)", "![a](data:image/png,x)",
          "[a](<https://e.example/a b>)", "[a](https://e.example/?a=1&b=2 \"t\")", "[a]", "[a][b]", "![a][b]", "[a](", "[",
          "]", "](", "](javascript:alert(1))", "<https://e.example/>", "<javascript:alert(1)>", "https://e.example/a_b",
          "www.e.example", "[a](https://e.example/$\"onmouseover=alert(1)$)", "[a](//e.example)", "[a](#x)", "<a@b.example>",
          "[a](JaVaScRiPt:alert(1))", "[a](java&#10;script:alert(1))", "[a](data:text/html,<script>1</script>)",
          "[![a](https://e.example/i)](javascript:x)", "[`]`](https://e.example)", "[a\nb](https://e.example)",
          "[a](vbscript:x)", "[a](https://e.example/`$$`)", "[^1]", "[x](mailto:a@b.example)"]  # fmt: skip
_MATH = ["$x$", "$x<y$", "$$x$$", "\\(x\\)", "\\[x\\]", "$", "$$", "\\(", "\\]", "$\\href{javascript:alert(1)}{x}$", "$5",
         "\\begin{align}", "\\end{align}", "$`$", "$a](javascript:alert(1))$", "$\\text{<img src=x onerror=alert(1)>}$",
         "$[a](javascript:alert(1))$", "\\\\(", "\\\\[", "\\\\]", "$x\\\\$", "$\\$", "$x{$", "\\\\begin{x}"]  # fmt: skip
_STARTS = ["", "", "", "", "", "", "# ", "## ", "> ", "- ", "* ", "+ ", "1. ", "2) ", "10. ", "    ", "\t", " ", "  ", "   ",
           "> > ", "- - ", "- [ ] ", "- [x] ", "> - ", "1. > ", "-\t", ">\t", "[r]: ", "     - ", "  - ", "   1. "]  # fmt: skip
_LINES = ["", "", "", "---", "===", "***", "```", "```python", "```mermaid", "~~~", "````", "```x`", "| a | b |", "|---|---|",
          "| - | :-: |", "a | b", "--|--", "| `a` | <b> |", "$$", "\\[", "\\]", "<!--", "-->", "<div>", "<script>",
          "[r]: javascript:alert(1)", "[r]: https://e.example", "[b]: <javascript:x> 'y'", "- ", "*", "1.", ">", "#", "    x",
          "\tx", "   ```", "  ~~~", "-->", "<pre>", "</pre>", "[^1]: <b>", ": <b>", "term", "  ", " \t", "&nbsp;", "+++",
          "\\begin{align}", "\\end{align}", "::: x", "[a]: /x", "***b***", "= =", "- - -", "|", "||", "|-|"]  # fmt: skip


def _line(choice: random.Random) -> str:
    if choice.random() < 0.35:
        return choice.choice(["", "", "", "", "> ", "  ", "   ", "    ", "- ", "> > "]) + choice.choice(_LINES)
    start = choice.choice(_STARTS)
    kinds = [_WORDS, _WORDS, _WORDS, _CODE, _HTML, _LINKS, _MATH]
    pieces = [choice.choice(choice.choice(kinds)) for _ in range(choice.randint(1, 5))]
    return start + choice.choice(["", " ", " "]).join(pieces) + choice.choice(["", "", "", "", "  ", "\\", " "])


def text(seed: int, lines: int = 12) -> str:
    """Return the text of that number; the same for ever."""
    choice = random.Random(seed)  # noqa: S311
    end = choice.choice(["\n", "\n", "\n", "\n", "\r\n"])
    whole = end.join(_line(choice) for _ in range(choice.randint(1, lines))) + choice.choice(["", "\n"])
    for _ in range(choice.choice([0, 0, 0, 1, 2, 4])):  # tear it and put it together again, within words
        at, to = sorted(choice.choices(range(len(whole) + 1), k=2))
        to = min(to, at + 40)
        whole = choice.choice([whole[:at] + whole[to:], whole[:to] + whole[at:], whole[at:to] + whole])
    return whole


GROWN = [text(seed) for seed in range(300)]
"""A sample for tests that cannot afford more."""
