"""Which options of a client reach an engine; what they may be is tested over HTTP (test_application)."""

from berlin_magic.server.options import chosen


def test_only_what_shapes_the_text_of_one_answer_is_a_clients_to_say():
    wanted = {
        "temperature": 0,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "max_tokens": 1888,
        "model": "m",
        "top_p": 0.5,
        "seed": 1,
        "stop": ["x"],
        "reasoning_effort": "low",
    }
    spends = ["models", "fallbacks", "route", "provider", "plugins", "web_search_options", "api_base", "n", "tools"]
    assert chosen({**wanted, **dict.fromkeys(spends, "dear"), "top_k": None}) == wanted
