"""The notebook's cells build one conversation; options and commands do what they say."""

from __future__ import annotations

import pytest
from browser.scripted_server import Reply
from real_kernel.conftest import Server
from real_kernel.rig import Kernel

pytestmark = pytest.mark.kernel


def prompt_of(server: Server, index: int = -1) -> str:
    return str(server.asked[index].body["prompt"])


def test_the_second_cell_is_asked_with_the_first_as_context(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("Paris."), Reply("Rome."))
    kernel.good("%%berlin\nThe capital of France?", cell="a")
    kernel.good("%%berlin\nAnd of Italy?", cell="b")
    assert prompt_of(server, 0) == "The capital of France?"
    assert prompt_of(server) == (
        "User: The capital of France?\n\nAssistant: Paris.\n\nUser: And of Italy?\n\nAssistant:"
    )
    assert server.asked[0].body["parentMessageId"] != server.asked[1].body["parentMessageId"]


def test_after_a_reset_nothing_of_before_is_sent(kernel: Kernel, server: Server) -> None:
    kernel.good("%%berlin\nThe capital of France?")
    assert "1 turn stays stored" in kernel.good("%berlin reset").answer["text/plain"]
    kernel.good("%%berlin\nAnd of Italy?")
    assert prompt_of(server) == "And of Italy?"


def test_running_a_cell_again_asks_without_its_own_former_run(kernel: Kernel, server: Server) -> None:
    for code, cell in [("One", "a"), ("Two", "b"), ("Two again", "b")]:
        kernel.good(f"%%berlin\n{code}", cell=cell)
    assert "Two\n" not in prompt_of(server) and prompt_of(server).startswith("User: One")


def test_once_is_outside_of_the_conversation(kernel: Kernel, server: Server) -> None:
    kernel.good("%%berlin\nOne")
    kernel.good("%%berlin --once\nTwo")
    assert prompt_of(server) == "Two"
    kernel.good("%%berlin\nThree")
    assert "Two" not in prompt_of(server) and "One" in prompt_of(server)


def test_new_begins_the_conversation_anew(kernel: Kernel, server: Server) -> None:
    kernel.good("%%berlin\nOne")
    kernel.good("%%berlin --new\nTwo")
    assert prompt_of(server) == "Two"
    kernel.good("%%berlin\nThree")
    assert "One" not in prompt_of(server) and "Two" in prompt_of(server)


def test_options_reach_the_server(kernel: Kernel, server: Server) -> None:
    kernel.good("%%berlin -m gpt-4 -t 0.5 --max-tokens 77 --system 'Be terse'\nOne")
    body = server.asked[0].body
    assert {"model": "gpt-4", "temperature": 0.5, "max_tokens": 77}.items() <= body["options"].items()
    assert body["prompt"] == "System: Be terse\n\nUser: One\n\nAssistant:"


def test_settings_reach_the_server_and_outlive_a_reload(kernel: Kernel, server: Server) -> None:
    kernel.good("%config BerlinMagics.model = 'gpt-4'\n%config BerlinMagics.temperature = 0.25\n%berlin system Be kind")
    kernel.good("%%berlin\nOne")
    assert {"model": "gpt-4", "temperature": 0.25}.items() <= server.asked[-1].body["options"].items()
    kernel.good("%reload_ext berlin_magic")
    kernel.good("%%berlin\nTwo")
    assert {"model": "gpt-4", "temperature": 0.25}.items() <= server.asked[-1].body["options"].items()
    assert prompt_of(server).startswith("System: Be kind\n\nUser: One")
    kernel.good("%config BerlinMagics.model = ''\n%config BerlinMagics.temperature = None\n%berlin system ''")
    kernel.good("%%berlin\nThree")
    assert "temperature" in server.asked[-1].body["options"] and prompt_of(server).startswith("User: One")


def test_the_model_of_the_environment_is_asked(kernel: Kernel, server: Server) -> None:
    kernel.good("import os; os.environ['BERLIN_MODEL'] = 'from-environment'")
    kernel.good("%%berlin\nOne")
    kernel.good("del os.environ['BERLIN_MODEL']")
    assert server.asked[-1].body["options"]["model"] == "from-environment"


def test_into_puts_the_reply_in_a_variable(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("text of\nthe reply"))
    kernel.good("%%berlin -o reply\nOne")
    assert kernel.value("reply") == repr("text of\nthe reply")
    run = kernel.run("%%berlin -o not-a-name\nOne")
    assert "can't be the name of a variable" in run.stderr and len(server.asked) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("%berlin histroy", "Did you mean `%berlin history`?"),
        ("%%berlin --modle x\nOne", "Did you mean --model?"),
        ("%%berlin history\n", "one percent sign"),
        ("%berlin continue please", "'please' is one word too many"),
        ("get_ipython().run_cell_magic('berlin', '', 'half \\ud83d')", "half a character"),
        ("%%berlin\n   \n", "The cell is empty"),
        ("%%berlin -m 'open\nOne", "A quote is not closed"),
        ("%%berlin --max-tokens 0\nOne", "at least 1"),
        ("%berlin use", "missing: MODEL"),
    ],
)
def test_a_wrong_line_is_told_in_one_line_and_sends_nothing(
    kernel: Kernel, server: Server, code: str, words: str
) -> None:
    run = kernel.run(code)
    assert run.status == "error"
    assert words in run.stderr and len(run.stderr.strip().splitlines()) == 1
    assert server.asked == []


def test_the_commands_show_and_change_things(kernel: Kernel, server: Server) -> None:
    server.answers(Reply("An answer."))
    kernel.good("%%berlin\nA question")
    history = kernel.good("%berlin history").stdout
    assert "A question" in history and "An answer." in history
    state = kernel.good("%berlin").stdout
    assert server.url in state and "1 turn" in state and "gpt-3.5-turbo" in state
    assert "scripted" in kernel.good("%berlin models").stdout
    kernel.good("%berlin use scripted")
    assert "* scripted" in kernel.good("%berlin models").stdout
    kernel.good("%%berlin\nMore")
    assert server.asked[-1].body["options"]["model"] == "scripted"
    kernel.good("%config BerlinMagics.model = ''")
    help_text = kernel.good("%berlin help").stdout
    for word in ("history", "reset", "models", "use", "system", "BERLIN_URL", "providers"):
        assert word in help_text


def test_a_command_in_a_function_works_too(kernel: Kernel, server: Server) -> None:
    run = kernel.good("def show():\n    %berlin models\nshow()")
    assert "scripted" in run.stdout


def test_the_help_shows_every_option(kernel: Kernel) -> None:
    pages = [payload["data"]["text/plain"] for payload in kernel.good("%%berlin?").reply["payload"]]
    for option in ("--model", "--temperature", "--max-tokens", "--system", "--once", "--new", "--into"):
        assert option in pages[0]


def test_loading_twice_and_reloading_leaves_one_of_everything(kernel: Kernel, server: Server) -> None:
    kernel.good("%%berlin\nOne")
    kernel.good("%load_ext berlin_magic\n%reload_ext berlin_magic\n%reload_ext berlin_magic")
    counts = kernel.value(
        "(sum(type(t).__name__ == 'AwaitMagics' for t in get_ipython().input_transformers_post),"
        " sum(type(c).__name__ == 'BerlinMagics' for c in get_ipython().configurables))"
    )
    assert counts == "(1, 1)"
    kernel.good("%%berlin\nTwo")
    assert "One" in prompt_of(server)


def test_unloading_takes_everything_away(kernel: Kernel) -> None:
    kernel.good("%unload_ext berlin_magic")
    try:
        left = kernel.value(
            "(sum(type(t).__name__ == 'AwaitMagics' for t in get_ipython().input_transformers_post),"
            " sum(type(c).__name__ == 'BerlinMagics' for c in get_ipython().configurables),"
            " 'berlin' in get_ipython().magics_manager.magics['cell'],"
            " 'berlin' in get_ipython().magics_manager.magics['line'])"
        )
        assert left == "(0, 0, False, False)"
        assert "not found" in kernel.run("%%berlin\nOne").stderr
    finally:
        kernel.good("%load_ext berlin_magic")


def test_a_wrong_setting_does_not_break_the_next_load(kernel: Kernel, server: Server) -> None:
    kernel.run("%config BerlinMagics.silence = 'long'")
    kernel.good("%reload_ext berlin_magic")
    assert kernel.value("get_ipython().magics_manager.registry['BerlinMagics'].silence is None") == "True"
    kernel.good("%%berlin\nOne")


def test_single_braces_and_dollars_are_text(kernel: Kernel, server: Server) -> None:
    kernel.good("x = 'secret'")
    kernel.good("%%berlin --system '{x} $x'\nWhat is {x} and $x?")
    assert "What is {x} and $x?" in prompt_of(server) and "System: {x} $x" in prompt_of(server)


def test_a_conversation_from_code_has_the_notebooks_settings(kernel: Kernel, server: Server) -> None:
    kernel.good("%%berlin\nOne")
    kernel.good(
        "import berlin_magic\n"
        "pieces = [piece async for piece in berlin_magic.conversation().stream('Two')]\n"
        "messages = berlin_magic.conversation().messages"
    )
    assert "User: One" in prompt_of(server)
    assert kernel.value("[m['role'] for m in messages]") == "['user', 'assistant', 'user', 'assistant']"
