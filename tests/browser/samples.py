"""A reply with one of everything."""

from __future__ import annotations

__all__ = ["EVERYTHING"]

EVERYTHING = r"""## The binomial theorem

For a natural number $n$ the power of a sum is a sum of powers, with the *binomial coefficients* in front:

$$(x + y)^n = \sum_{k=0}^{n} \binom{n}{k}\, x^{k} y^{n-k}$$

1. Choose which of the $n$ factors give an $x$.
2. There are $\binom{n}{k}$ ways to choose `k` of them.
    - the rest give a $y$
    - [x] and that is all

```python
from math import comb


def expand(n: int) -> str:
    "Return the expanded power of a sum."
    terms = [f"{comb(n, k)}·x^{k}·y^{n - k}" for k in range(n + 1)]
    return " + ".join(terms)  # a long line of terms, to see how it scrolls when it does not fit into the width


print(expand(3))
```

| n | coefficients | sum |
|--:|:------------:|:----|
| 1 | 1, 1         | 2   |
| 2 | 1, 2, 1      | 4   |
| 3 | 1, 3, 3, 1   | 8   |

> The coefficients of a row add up to $2^n$, which is what you get for $x = y = 1$.

See [Pascal's triangle](https://en.wikipedia.org/wiki/Pascal%27s_triangle) for **more**, or ask about ~~primes~~.
"""
