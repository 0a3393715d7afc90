from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from asking import Outcome, outcome
from engines.peer import ACCOUNT, PASSWORD, Engine

from berlin_magic.providers.berlin.provider import Berlin
from berlin_magic.providers.openai.provider import OpenAICompatible

# What these tests install (LiteLLM, PyTorch, transformers) is 2 GB, which nobody expects of `pytest`. CI runs them.
WANTED = os.environ.get("BERLIN_TEST_ENGINES") or os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.fixture(scope="session", autouse=True)
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
