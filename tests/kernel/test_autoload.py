"""`python -m berlin_magic enable` and `disable`: one block in IPython's configuration, and nothing else changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets.config import Config, JSONFileConfigLoader, PyFileConfigLoader

from berlin_magic.kernel.autoload import ConfigurationError, disable, enable, main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    return tmp_path / "profile_default"


def extensions(profile: Path) -> list[str]:
    """Return what IPython would load, read as it reads its configuration: the JSON file after the other."""
    config = Config()
    for loader, name in ((PyFileConfigLoader, "ipython_config.py"), (JSONFileConfigLoader, "ipython_config.json")):
        if (profile / name).exists():
            config.merge(loader(name, path=str(profile)).load_config())
    listed = config.InteractiveShellApp.extensions
    return list(listed.get_value([]) if hasattr(listed, "get_value") else listed)


USUAL = "# Configuration file for ipython.\n\nc = get_config()  #noqa\n\n# c.InteractiveShellApp.extensions = []\n"
CONFIGURATIONS = [
    USUAL,
    "c = get_config()",
    'c = get_config()\nc.InteractiveShellApp.extensions = ["autoreload"]\n',
    "c.TerminalInteractiveShell.confirm_exit = False\r\nx = 1\r\n",
    "if True:\n    c.A.b = 1\n",
    "c = 'another use of the name'\n",
]


def test_without_a_configuration_one_is_made_and_taken_away_again(profile: Path) -> None:
    told = enable(profile)
    assert str(profile / "ipython_config.py") in told and "disable" in told
    assert extensions(profile) == ["berlin_magic"]
    disable(profile)
    assert list(profile.iterdir()) == []


@pytest.mark.parametrize("before", CONFIGURATIONS)
def test_the_rest_of_the_configuration_stays_as_it_is(profile: Path, before: str) -> None:
    profile.mkdir()
    path = profile / "ipython_config.py"
    path.write_bytes(before.encode())
    others = extensions(profile)
    enable(profile)
    assert path.read_bytes().startswith(before.encode())
    assert extensions(profile) == [*others, "berlin_magic"]
    once = path.read_bytes()
    assert "already" in enable(profile)
    assert path.read_bytes() == once
    assert "not loaded any more" in disable(profile)
    assert path.read_bytes() == before.encode()
    assert "nothing was changed" in disable(profile)


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])).map(
        lambda text: "".join(f"# {x}\n" for x in text.splitlines())
    )
)
def test_enabling_and_disabling_gives_the_same_file(tmp_path_factory: pytest.TempPathFactory, before: str) -> None:
    profile = tmp_path_factory.mktemp("ipython")
    path = profile / "ipython_config.py"
    path.write_bytes(before.encode())
    enable(profile)
    disable(profile)
    assert (path.read_bytes() if path.exists() else b"") == before.encode()


def test_what_was_written_below_in_the_meantime_stays(profile: Path) -> None:
    enable(profile)
    path = profile / "ipython_config.py"
    with path.open("a") as file:
        file.write("c.A.b = 1\n")
    disable(profile)
    assert path.read_text() == "c.A.b = 1\n"


@pytest.mark.parametrize("indent", [None, 2, 4])
def test_a_json_file_that_lists_extensions_counts_more_and_gets_the_entry(profile: Path, indent: int | None) -> None:
    profile.mkdir()
    path = profile / "ipython_config.json"
    content = {"A": {"b": "ä"}, "InteractiveShellApp": {"extensions": ["autoreload"], "exec_lines": []}}
    before = json.dumps(content, indent=indent, ensure_ascii=False)
    path.write_text(before, encoding="utf-8")
    assert str(path) in enable(profile)
    assert extensions(profile) == ["autoreload", "berlin_magic"]
    assert "already" in enable(profile)
    disable(profile)
    assert path.read_text(encoding="utf-8") == before


@pytest.mark.parametrize("content", ['{"InteractiveShell": {"colors": "linux"}}\n', "{}", "[]"])
def test_a_json_file_that_lists_none_is_left_alone(profile: Path, content: str) -> None:
    profile.mkdir()
    (profile / "ipython_config.json").write_text(content)
    enable(profile)
    assert (profile / "ipython_config.json").read_text() == content
    assert "berlin_magic" in (profile / "ipython_config.py").read_text()


def test_what_the_user_has_written_is_told_and_left_alone(profile: Path) -> None:
    profile.mkdir()
    path = profile / "ipython_config.py"
    path.write_text('c = get_config()\nc.InteractiveShellApp.extensions = ["berlin_magic"]\n')
    before = path.read_bytes()
    assert "Line 2 of" in enable(profile) and path.read_bytes() == before
    with pytest.raises(ConfigurationError, match=r"line 2 of .* written by somebody else"):
        disable(profile)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "content"),
    [("ipython_config.py", b"c = (\n"), ("ipython_config.py", b"\xff\xfe"), ("ipython_config.json", b"{")],
)
def test_a_configuration_that_ipython_can_not_read_is_left_alone(profile: Path, name: str, content: bytes) -> None:
    profile.mkdir()
    (profile / name).write_bytes(content)
    for command in (enable, disable):
        with pytest.raises(ConfigurationError, match=name):
            command(profile)
    assert (profile / name).read_bytes() == content and len(list(profile.iterdir())) == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything can be written here")
def test_a_folder_that_can_not_be_written_is_an_error_in_a_line(
    profile: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(profile.parent))
    profile.mkdir(mode=0o500)
    assert main(["enable"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Nothing was changed: ") and error.count("\n") == 1


def test_a_link_stays_a_link(profile: Path, tmp_path: Path) -> None:
    profile.mkdir()
    (tmp_path / "dotfile.py").write_text(USUAL)
    path = profile / "ipython_config.py"
    path.symlink_to(tmp_path / "dotfile.py")
    enable(profile)
    assert path.is_symlink() and "berlin_magic" in (tmp_path / "dotfile.py").read_text()


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "IPYTHONDIR": str(folder), "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=60, check=False
    )


@pytest.mark.slow
def test_from_the_command_line_ipython_has_the_magic_from_then_on_and_not_any_more(tmp_path: Path) -> None:
    ask = (
        "-W",
        "ignore",
        "-m",
        "IPython",
        "--no-banner",
        "-c",
        "print('%%berlin is', 'berlin' in get_ipython().magics_manager.magics['cell'])",
    )
    assert "is False" in python(tmp_path, *ask).stdout
    done = python(tmp_path, "-m", "berlin_magic", "enable")
    assert (done.returncode, done.stderr) == (0, "") and str(tmp_path / "profile_default") in done.stdout
    assert "is True" in python(tmp_path, *ask).stdout
    assert python(tmp_path, "-m", "berlin_magic", "disable").returncode == 0
    assert "is False" in python(tmp_path, *ask).stdout


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[], ["enabel"], ["enable", "now"]])
def test_another_command_is_refused_with_those_that_there_are(tmp_path: Path, arguments: list[str]) -> None:
    done = python(tmp_path, "-m", "berlin_magic", *arguments)
    assert done.returncode == 2 and "enable" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "profile_default").exists()
