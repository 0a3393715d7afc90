"""What an engine is started with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gguf_files import model_file

from berlin_magic.credentials.secret import Secret
from berlin_magic.providers.local import models
from berlin_magic.providers.local.engine_options import Options


def test_what_a_model_reads_by_default_is_what_it_was_made_for_and_no_more_than_8192(fake_engine: Path):
    secret, path = Secret("s" * 40), Path("a")
    model_file(fake_engine / "small.gguf")
    small = models.find("small")
    large = replace(small, context_length=131_072)
    unknown = replace(small, context_length=0)
    for model, wanted, expected in [
        (small, None, 2048),
        (large, None, 8192),
        (unknown, None, 8192),
        (large, 32_768, 32_768),
        (small, 32_768, 2048),
    ]:
        assert Options(context_length=wanted).order(model, secret, path, path)["parameters"]["n_ctx"] == expected
