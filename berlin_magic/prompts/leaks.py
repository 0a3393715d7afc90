"""Secrets in what a prompt quotes: keys by their known shapes, and the values of credential variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

__all__ = ["secret_in", "suspicious_name"]

# As their issuers document them, and as scanners of repositories look for them.
_SHAPES: Mapping[str, re.Pattern[str]] = {
    "an OpenAI key": re.compile(r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}"),
    "an Anthropic key": re.compile(r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
    "a GitLab token": re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}"),
    "an AWS key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a Google key": re.compile(r"\bAIza[A-Za-z0-9_-]{35}"),
    "a Slack token": re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{30,}"),
    "a Stripe key": re.compile(r"\b[rs]k_live_[A-Za-z0-9]{20,}"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}
_NAME = re.compile(r"pass(word|wd|phrase)|secret|credential|api_?key|(^|_)token(s|_|$)|(^|_)auth(_|$)", re.IGNORECASE)


def secret_in(texts: Iterable[str], known: Iterable[str] = ()) -> str:
    """Return what secret is in one of `texts`, in a few words; empty if none is known to be.

    Parameters
    ----------
    texts : iterable of str
        What is about to be sent for a value.
    known : iterable of str
        Values of credential variables of the environment.
    """
    values = [value for value in known if len(value) > 7]  # noqa: PLR2004 - a shorter one may be any word
    for text in texts:
        for name, shape in _SHAPES.items():
            if shape.search(text):
                return name
        if any(str(value) in text for value in values):
            return "the value of a credential variable of the environment"
    return ""


def suspicious_name(code: str) -> bool:
    """Say whether an expression looks as if it names a secret; a name alone proves nothing."""
    return any(_NAME.search(name) for name in re.findall(r"[^\W\d]\w*", code))
