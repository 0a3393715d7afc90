"""The options with which an engine is started."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from berlin_magic.credentials.secret import Secret
from berlin_magic.errors import NotConfiguredError
from berlin_magic.providers.local.models import ModelFile
from berlin_magic.providers.local.process import Order

__all__ = ["Options", "check_installed"]

_SLOTS = 4  # questions at a time; more wait until one has ended
_CACHE = 256  # MB for the beginnings of conversations, which then need not be read again
_MOST_THREADS = 8  # more gain little: a model waits for memory
_CONTEXT = 8192  # tokens; the model's own maximum may take more memory than there is
_IDLE = 600.0  # seconds
# Options of the very small model; others bring their own, or do well with llama.cpp's.
_SMALL_MODEL = {
    "n_predict": 256,  # tokens; its reply may never come to an end
    "sampling.temp": 0.2,  # as its authors advise (the model's card)
    "sampling.top_p": 0.9,
    # Without it the model repeats one line up to the limit; 0.8 is usual (llama.cpp, tools/server/README.md).
    "sampling.dry_multiplier": 0.8,
}


@dataclass(frozen=True, slots=True)
class Options:
    """How an engine is started. For an engine that runs already they change nothing.

    Attributes
    ----------
    threads : int or None
        Processor threads. None: half of what the machine has, 8 at most.
    context_length : int or None
        Tokens that can be read and written at once. None: what the model was trained for, 8192 at most.
    gpu_layers : int or None
        Layers of the model that the graphics processor takes, if xllamacpp was built for one. None: as many as fit.
    idle : float or None
        Seconds after the last question until the engine ends. None: 600.
    alone : float
        Seconds after the last lease until the engine ends. A kernel that is restarted finds it still running.
    """

    threads: int | None = None
    context_length: int | None = None
    gpu_layers: int | None = None
    idle: float | None = None
    alone: float = 10.0

    def order(self, model: ModelFile, secret: Secret, lock: Path, log: Path) -> Order:
        """Return the order for the engine's process."""
        return {
            "parameters": self._parameters(model),
            "name": model.name,
            "secret": str(secret),
            "lock": str(lock),
            "log": str(log),
            "paths": [str(_package_folder(name).parent) for name in ("xllamacpp", "filelock")],
            "idle": _IDLE if self.idle is None else self.idle,
            "alone": self.alone,
        }

    def _parameters(self, model: ModelFile) -> dict[str, Any]:
        """Return the fields of llama.cpp's ``common_params`` (common/common.h) that are set."""
        context_length = self.context_length or _CONTEXT
        threads = self.threads or _usual_threads()
        return {
            "model.path": str(model.path),
            **({"mmproj.path": str(model.projector)} if model.projector else {}),
            "hostnames": ["127.0.0.1"],
            "port": 0,
            "ui": False,
            "cpuparams.n_threads": threads,
            "cpuparams_batch.n_threads": threads,
            "n_ctx": min(context_length, model.context_length or context_length),
            "n_gpu_layers": -1 if self.gpu_layers is None else self.gpu_layers,
            "n_parallel": _SLOTS,
            "kv_unified": True,  # one question can have the whole context, several share it
            "cache_ram_mib": _CACHE,
            **(_SMALL_MODEL if model.is_small else {}),
        }


def _usual_threads() -> int:
    # llama.cpp's threads wait for each other in a busy loop: with as many as there are processors, one that shares its
    # processor with a kernel or a browser slows down all of them (measured on two processors: 130 tokens/s with one
    # thread, 46 to 116 with two).
    return max(1, min((os.cpu_count() or 2) // 2, _MOST_THREADS))


def check_installed() -> None:
    """Raise `NotConfiguredError` if the package that runs models is not installed."""
    _package_folder("xllamacpp")


def _package_folder(name: str) -> Path:
    """Return the folder of an installed package.

    Raises
    ------
    NotConfiguredError
        If it is not installed.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise NotConfiguredError(
            'The package that runs models is not installed here: `pip install "berlin-magic[local]"`\n'
            "brings it. Then restart the kernel, and run the cell again."
        )
    return Path(spec.origin).parent
