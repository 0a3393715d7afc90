"""Examples of Markdown, to try a notebook's output with."""

from __future__ import annotations

__all__ = ["EXAMPLES"]

_TABLE = """\
A table, with numbers to the right:

| Number | Name | Square | Cube |
|-------:|:-----|-------:|-----:|
| 1 | one | 1 | 1 |
| 2 | two | 4 | 8 |
| 3 | three | 9 | 27 |
| 12 | a dozen | 144 | 1,728 |"""

_CODE = """\
A block of Python, with highlighting:

```python
import asyncio
from collections.abc import AsyncIterator


async def countdown(start: int) -> AsyncIterator[int]:
    \"\"\"Yield start, start - 1, …, 1, ten a second.\"\"\"
    for number in range(start, 0, -1):
        yield number
        await asyncio.sleep(0.1)


async for number in countdown(3):
    print(f"{number} …")
```

and `inline code` in a sentence."""

_MATH = r"""Math in a line, $e^{i\pi} + 1 = 0$, and on lines of its own:

$$
\int_{-\infty}^{\infty} e^{-x^2}\,dx = \sqrt{\pi}
\qquad
\sum_{n=1}^{\infty} \frac{1}{n^2} = \frac{\pi^2}{6}
$$"""

_MARKDOWN = """\
### A heading

Text with **weight**, with *emphasis*, with ~~second thoughts~~ and with `code` in it.

- a list
- with a second item
  - and a nested one

1. first this
2. then that

> A quotation stands a little to the side."""

EXAMPLES = {"markdown": _MARKDOWN, "table": _TABLE, "code": _CODE, "math": _MATH}
"""Markdown to look at, by the name of what it shows; in the order in which all of them are shown."""
