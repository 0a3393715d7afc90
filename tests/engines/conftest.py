from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from asking import Outcome, outcome
from engines.peer import ACCOUNT, PASSWORD, Engine

from berlin_magic.berlin import Berlin
from berlin_magic.openai_compatible import OpenAICompatible

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
