"""The engine of `berlin-server --local`, with a package that only seems to run models."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import HELLO
from gguf_files import model_file

from berlin_magic.errors import ModelUnknownError, NotConfiguredError
from berlin_magic.messages import Finish, Text, Usage
from berlin_magic.providers.local import engine
from berlin_magic.providers.local.models import SMALL
from berlin_magic.server.__main__ import main
from berlin_magic.server.engine import EngineError
from berlin_magic.server.local_model import LocalModel


async def test_it_answers_says_what_it_cost_and_lets_the_process_go_at_the_end(fake_engine: Path) -> None:
    path = model_file(fake_engine / "a.gguf")
    local = LocalModel()
    assert await local.models() == ("a",)
    events = [event async for event in local.stream(HELLO, {"model": "a", "temperature": 0, "n_predict": 1})]
    assert events == [Usage(), Text("Hello"), Finish("stop")]
    assert path.with_suffix(".loaded").exists()
    await local.close()
    assert not engine._leases


async def test_a_model_that_cannot_be_loaded_is_refused_and_not_paid(fake_engine: Path) -> None:
    model_file(fake_engine / "broken.gguf")
    with pytest.raises(EngineError, match="can't be loaded: it is odd"):
        await anext(LocalModel("broken").stream(HELLO, {}))


def test_a_model_that_is_not_there_keeps_the_server_from_starting(
    fake_engine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NotConfiguredError):
        LocalModel()
    with pytest.raises(ModelUnknownError):
        LocalModel("nonesuch")
    for arguments, said in (
        (["--local"], "no model on this machine yet"),
        (["--local", "nonesuch"], "There is no model 'nonesuch'"),
        (["--local", "--upstream", "http://127.0.0.1:1", "--open"], "--local can't be used with --upstream"),
    ):
        with pytest.raises(SystemExit):
            main(arguments)
        assert said in capsys.readouterr().err


def test_a_very_small_model_is_called_so(fake_engine: Path) -> None:
    model_file(fake_engine / SMALL.file)
    assert LocalModel().caution == "a very small model: expect mistakes"


def test_the_command_fetches_nothing_that_is_there(fake_engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["local", "take"])
    assert "invalid choice" in capsys.readouterr().err
