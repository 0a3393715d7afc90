"""The style sheet of a reply, saved or live.

The colours are JupyterLab's own (its variables, which nbconvert's page has too), in VS Code those of its symbols;
without either, they are mid tones. Each is mixed with the colour of the text around: JupyterLab's own comments and HTML
tags have less contrast on the ground of code than the 4.5 to 1 that WCAG asks for, in its light and in its dark theme.
"""

from __future__ import annotations

__all__ = ["CODE", "REPLY", "stylesheet"]

_COLOURS = {
    "c cp": ("comment", "lineNumber-activeForeground", "#6a8759", "font-style:italic"),
    "k": ("keyword", "symbolIcon-keywordForeground", "#a65fc2", "font-weight:bold"),
    "s gi": ("string", "debugTokenExpression-string", "#c0563b", ""),
    "m": ("number", "debugTokenExpression-number", "#3c8f5a", ""),
    "nb": ("builtin", "symbolIcon-functionForeground", "#2f8a8f", ""),
    "nf nc": ("def", "symbolIcon-functionForeground", "#3f7fd0", ""),
    "nd gp": ("meta", "symbolIcon-functionForeground", "#8a7ad0", ""),
    "nt gh": ("tag", "symbolIcon-keywordForeground", "#4b8f3f", ""),
    "na": ("attribute", "symbolIcon-propertyForeground", "#3f7fd0", ""),
    "gd": ("error", "debugTokenExpression-error", "#d0504f", ""),
}

_SHARE = "70%"  # of the colour of a token in what it is drawn with


def _rules() -> str:
    rules = []
    for classes, (jupyter, code, tone, more) in _COLOURS.items():
        where = ",".join(f".berlin-reply .highlight .{name}" for name in classes.split())
        own = f"var(--jp-mirror-editor-{jupyter}-color,var(--vscode-{code},{tone}))"
        colour = f"color:color-mix(in srgb,{own} {_SHARE},currentcolor)"
        rules.append(f"{where}{{{colour}{';' + more if more else ''}}}")
    return "".join(rules)


CODE = _rules()
"""The colours of code."""

_LINE = "1px solid var(--jp-border-color2,var(--vscode-panel-border,rgba(128,128,128,.35)))"
_GROUND = "var(--jp-cell-editor-background,var(--vscode-textCodeBlock-background,rgba(128,128,128,.1)))"
_WHOLE_WORDS = "overflow-wrap:normal;word-break:normal"

REPLY = CODE + "".join(
    f".berlin-reply {selector}{{{rule}}}"
    for selector, rule in {
        ":is([dir=auto],[dir=auto] p)": "text-align:start",
        "details": "margin:0 0 1em",
        "blockquote[dir=auto]": (
            "padding:0 1em;border-left:0;border-inline-start:5px solid var(--jp-border-color2,#8886)"
        ),
        ".highlight": f"background:{_GROUND};border:{_LINE};border-radius:4px;margin:0 0 1em;contain:inline-size",
        ".highlight[data-language]::before": (
            "content:attr(data-language);display:block;padding:.3em .8em 0;font-size:80%;line-height:1.2;"
            "color:var(--jp-content-font-color2,inherit);user-select:none"
        ),
        ".highlight pre": f"background:none;margin:0;padding:.6em .8em;overflow-x:auto;white-space:pre;{_WHOLE_WORDS}",
        ".highlight pre code": "background:none;padding:0;white-space:inherit",
        ".berlin-table": "max-width:100%;overflow-x:auto;contain:inline-size",
        ".berlin-table table": f"margin-left:0;margin-right:0;{_WHOLE_WORDS}",
        ".berlin-table :is(th,td)": "text-align:start",
        "kbd": f"background:{_GROUND};border:{_LINE};border-radius:3px;padding:.1em .4em;color:inherit;box-shadow:none",
    }.items()
)
"""What `to_html` puts in front of a reply with code, tables or keys; a constant.

Long lines and wide tables scroll. Without ``contain`` JupyterLab 4.6 makes a live view as wide as they are.
"""


def stylesheet() -> str:
    """Return CSS for a live reply: everything under the class ``berlin-reply``, which the view's root has."""
    return (
        REPLY
        + ".berlin-reply{contain:paint}"  # a formula full of negative spaces is painted over nothing but its own reply
        + ".berlin-reply .berlin-tight>li>p{margin:0}"
        + ".berlin-reply .berlin-math,.berlin-reply .berlin-half-math{white-space:pre-wrap}"
    )
