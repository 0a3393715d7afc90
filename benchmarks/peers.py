"""Install the clients that ours is compared with, each in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.measure import ROOT

__all__ = ["installed"]

PACKAGES = {"httpx-sse": ["httpx", "httpx-sse"], "openai": ["openai", "aiohttp"]}


def installed() -> dict[str, str]:
    """Return the Python of each peer's environment, by name; one that can't be installed is left out."""
    return {name: python for name, packages in PACKAGES.items() if (python := _environment(name, packages))}


def _environment(name: str, packages: list[str]) -> str:
    folder = ROOT / "build" / "peers" / name
    python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    try:
        if not (folder / "complete").exists():
            print(f"installing {name} …", flush=True)
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
            (folder / "complete").touch()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{name} can't be installed: {error}")
        return ""
    return python
