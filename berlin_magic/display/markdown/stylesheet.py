"""The style sheets: colours of code in every reply, and the rest that the live view wants.

The colours are JupyterLab's own (its variables, which nbconvert's page has too), in VS Code those of its symbols;
where there are neither, they are mid tones that can be read on white and on black.
"""

from __future__ import annotations

__all__ = ["CODE", "stylesheet"]

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


def _rules() -> str:
    rules = []
    for classes, (jupyter, code, tone, more) in _COLOURS.items():
        where = ",".join(f".berlin-reply .highlight .{name}" for name in classes.split())
        colour = f"color:var(--jp-mirror-editor-{jupyter}-color,var(--vscode-{code},{tone}))"
        rules.append(f"{where}{{{colour}{';' + more if more else ''}}}")
    return "".join(rules)


CODE = ".berlin-reply .highlight{background:none;margin-bottom:1em}" + _rules()
"""The colours of code, as `to_html` puts them in front of a reply that has any; a constant."""


def stylesheet() -> str:
    """Return CSS for a live reply: everything under the class ``berlin-reply``, which the view's root has."""
    return (
        CODE
        + ".berlin-reply{contain:paint}"  # a formula full of negative spaces is painted over nothing but its own reply
        + ".berlin-reply .berlin-tight>li>p{margin:0}"
        + ".berlin-reply table{display:block;max-width:100%;overflow-x:auto}"
        + ".berlin-reply pre{overflow-x:auto}"
        + ".berlin-reply .berlin-math,.berlin-reply .berlin-half-math{white-space:pre-wrap}"
    )
