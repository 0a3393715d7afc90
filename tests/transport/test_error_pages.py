"""The words of an error page."""

from __future__ import annotations

import pytest

from berlin_magic.transport.errors import page_words


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (
            "<html><head><title>502</title></head><body><h1>502 Bad Gateway</h1><hr>nginx</body>",
            "502 Bad Gateway nginx",
        ),
        ("\n<!DOCTYPE html><style>p { color: red }</style><p>Sign &amp; in</p>", "Sign & in"),
        ("<script>alert('x')</script><p>Down", "Down"),
        ("<title>Sign in</title>", "Sign in"),
        ("<p>Cut off <a href='x", "Cut off"),
        ("<!-- a comment", "<!-- a comment"),
        ("no page: a < b > c", "no page: a < b > c"),
        ("", ""),
    ],
)
def test_a_pages_words_are_told_without_its_tags(page, words):
    assert page_words(page) == words
