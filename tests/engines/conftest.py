from __future__ import annotations

import importlib.util
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import pytest
from asking import Outcome, outcome
from engines.peer import ACCOUNT, PASSWORD, Engine

from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.local import engine, models
from berlin_magic.providers.local.models import ModelFile
from berlin_magic.providers.openai.provider import OpenAICompatible

# What these tests install (LiteLLM, PyTorch, transformers) is 2 GB, which nobody expects of `pytest`. CI runs them.
WANTED = os.environ.get("BERLIN_TEST_ENGINES") or os.environ.get("CI", "").lower() in {"1", "true"}


IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
# Of whoever runs the tests: what is set for each test names an empty folder.
MODEL = models.default()


@pytest.fixture(scope="session")
def model() -> ModelFile:
    """Return the model of `berlin-server local get`, or skip the test; in CI it has to be there."""
    missing = ""
    if importlib.util.find_spec("xllamacpp") is None:
        missing = 'no package runs models here: `pip install -e ".[local]"` brings it'
    elif MODEL is None or not MODEL.is_small:
        missing = f"{models.SMALL.name} is not on this machine: `berlin-server local get` fetches it"
    if missing and IN_CI:
        pytest.fail(missing)
    if missing or MODEL is None:
        pytest.skip(missing)
    return MODEL


@pytest.fixture
def local(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelFile]:
    """Look for models where the small one is; the engines that a test has started end with it."""
    monkeypatch.setenv("BERLIN_MODELS", str(model.path.parent))
    yield model
    engine.release_all()
    for process in engine._processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def wanted() -> None:
    if not WANTED:
        pytest.skip("real engines are 2 GB to install: set BERLIN_TEST_ENGINES=1 to have them tried here, as CI does")


Ask = Callable[..., AsyncGenerator[str, None]]


def directly(engine: Engine, prompt: str, model: str, **options: Any) -> AsyncGenerator[str, None]:
    messages = [{"role": "user", "content": prompt}]
    return OpenAICompatible.create_async_generator(model, messages, url=engine.url, key=engine.key, **options)


def through_berlin(engine: Engine, prompt: str, model: str, **options: Any) -> AsyncGenerator[str, None]:
    messages = [{"role": "user", "content": prompt}]
    return Berlin.create_async_generator(
        model, messages, url=engine.berlin, account=ACCOUNT, password=PASSWORD, **options
    )


WAYS: dict[str, Ask] = {"directly": directly, "through berlin-server": through_berlin}


@pytest.fixture(params=WAYS)
def generator(request: pytest.FixtureRequest) -> Ask:
    """Ask an engine, by our provider for its protocol, and by `Berlin` through ``berlin-server --upstream``."""
    return WAYS[request.param]


@pytest.fixture
def ask(generator: Ask) -> Callable[..., Any]:
    async def asked(*arguments: Any, **options: Any) -> Outcome:
        return await outcome(generator(*arguments, **options))

    return asked
