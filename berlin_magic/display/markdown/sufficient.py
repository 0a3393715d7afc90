r"""Whether the Markdown of a reply is enough, or HTML has to stand beside it.

Parsers of Markdown, HTML and math differ, so this looks at the reply as it was written, in code too: only a reply that
no parser could take for more than plain formatting does without HTML. It is a search for a few patterns, and no
parser: what it does not know stays with HTML. What `to_markdown` writes is safe by itself; this is a second reason.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["needs_html"]

_ANYWHERE = re.compile(
    r"""
      <(?:[^\W\d_]|[/!?])                      # an element, a comment, an autolink
    | &(?:\#|\w{1,40};)                 # a character reference
    | \$ | \\(?:[\\()\[\]{}]|begin|end) # math
    | !\[                               # an image
    | ^(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*+\[[ xX]\]\s  # a task: other boxes than ours, or none
    | ^[ \t>]++(?=[^\n|]*\|)[:|-][ \t:|-]*$  # a table in a quote or a list: text to mistune
    | ^(?:[ \t>\#]|[-*+]|\d{1,9}[.)])*+[^\S\x00-\x20]  # a wide space, without which the line begins a block
    | [^\S\x00-\x20]\#+[ \t]*$  # one that other parsers take for the end of a heading
    | [^\s>][ \t]*+\n[ \t>]*+(?:-++|=++)[ \t]*$  # an underlined heading: ours ends with # or has line breaks
    | ^[ \t>]*\[[^\]\n]*\]:             # the address of a link elsewhere
    | ^(?:[ \t]*(?:>|[-*+][ \t]|\d{1,9}[.)][ \t])){6}|^[ \t]{40} # deep nesting, which takes other parsers long
    | [\x00-\x08\x0b-\x1f\x7f]
    | [^\n]{20000}                      # as do such lines
    """,
    re.VERBOSE | re.MULTILINE,
)
_FENCE = re.compile(
    r"""
      ^[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)* (`{3,}|~{3,}) [ \t]*[\w+\#.-]{0,20}[ \t]*\n
      (?s:.*?)
      (?:^[ \t>]*\1[ \t]*$|\Z)
    """,
    re.VERBOSE | re.MULTILINE,
)
_OUTSIDE = re.compile(
    r"""
      \\ | `{2} | ~{3}                  # an escape; code in other marks than those that are looked for
    | _\* | \*_ | \*{4}                 # emphasis beside emphasis, whose marks grow together
    | \]\s*\((?!(?:https?://[\w.-]+(?::\d{1,4})?(?:[/?\#][\w.~/?\#=&+%,;:-]*)?|mailto:[\w.+@-]+)\))
    | https?://(?![\w.-]++(?::\d{1,4})?+(?:[/?\#\s),;:!*]|\Z))  # a host of another kind
    | (?<![:\w])//
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_IN_CODE = re.compile(r"\]\s*\(")  # `to_markdown` writes such code without colours
_KINDS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def needs_html(text: str) -> bool:
    """Say whether a reply needs HTML beside its Markdown, as that may be read as more than plain formatting.

    Parameters
    ----------
    text : str
        The reply, as it arrived: untrusted Markdown.

    Returns
    -------
    bool
        True if there is anything in it that could be markup, math, an image or an address of another kind than
        ``http``, ``https`` and ``mailto``, or of which our HTML makes more than other parsers do of our Markdown:
        tasks, text from right to left, Chinese, Japanese or Korean, characters that are not seen.
    """
    if _ANYWHERE.search(text) or not (text.isascii() or all(map(_is_plain, set(text)))):
        return True
    outside = _FENCE.sub("\n", text)
    return bool(_OUTSIDE.search(outside)) or any(_IN_CODE.search(code[0]) for code in _FENCE.finditer(text))


def _is_plain(char: str) -> bool:
    """Say whether a character is seen, goes from left to right, and belongs to a script with spaces between words."""
    kind = unicodedata.category(char)
    if char in "\n\t" or kind == "So":  # a symbol, such as an emoji
        return True
    return (
        kind not in _KINDS
        and unicodedata.bidirectional(char) not in _RIGHT_TO_LEFT
        and unicodedata.east_asian_width(char) not in "WFH"
    )
