"""A model that thinks aloud without saying so at first: what it thought folds away."""

from __future__ import annotations

from browser.scripted_server import Reply

THOUGHT = "First I weigh the one against the other. " * 20


async def test_what_stood_before_a_closing_tag_folds_away(notebook, server):
    server.answers(Reply(f"{THOUGHT}\n</think>\n\nThe answer is **42**.", 2))
    nb = await notebook("%load_ext berlin_magic", "%%berlin\nWhat is it?")
    await nb.run(0, 1)
    [output] = await nb.outputs(1)
    assert "".join(output["data"]["text/plain"]) == "The answer is **42**."
    assert "weigh the one" not in "".join(output["data"]["text/markdown"])
    shown = await nb.output(1).inner_text()
    assert "The answer is 42." in shown and "</think>" not in shown and "weigh the one" not in shown
