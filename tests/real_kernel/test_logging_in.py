"""`%berlin login`: asked unseen, stored where only the user can read, and nowhere else; `logout` leaves nothing."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_kernel.conftest import Server
from real_kernel.rig import Kernel, Run

pytestmark = pytest.mark.kernel

ACCOUNT = "student-2f6e"
PASSWORD = "canary-password-91ac"
TOKEN = "canary-token-c0ffee17"
KEYRING = '''\
"""A keyring in a file: what it holds can be looked at from outside of the kernel."""

import json, os, pathlib
from keyring.backend import KeyringBackend

FILE = pathlib.Path(os.environ["FILE_KEYRING"])

class Keyring(KeyringBackend):
    priority = 5

    def _held(self):
        return json.loads(FILE.read_text()) if FILE.exists() else {}

    def get_password(self, service, username):
        return self._held().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        FILE.write_text(json.dumps({**self._held(), f"{service}/{username}": password}))

    def delete_password(self, service, username):
        FILE.write_text(json.dumps({k: v for k, v in self._held().items() if k != f"{service}/{username}"}))
'''

Start = Callable[..., Kernel]


@pytest.fixture
def school(server: Server) -> Iterator[Server]:
    """A server that lets in with `PASSWORD` only."""
    server.password, server.token = PASSWORD, TOKEN
    yield server
    del server.password, server.token


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """All of the user's folders."""
    return tmp_path


@pytest.fixture(params=["ipykernel 7", "ipykernel 6"])
def start(request: pytest.FixtureRequest, home: Path) -> Iterator[Start]:
    """Start a kernel of the user whose home that is, with the extension loaded and no account configured."""
    paths = [request.getfixturevalue("ipykernel_6")] if request.param == "ipykernel 6" else []
    kernels: list[Kernel] = []
    own = {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "BERLIN_STATE_DIR": str(home / "state"),
        "BERLIN_DATABASE": str(home / "conversations.db"),
    }

    def started(*more: str, **env: str) -> Kernel:
        kernels.append(Kernel(*paths, *more, env={**own, **env}))
        kernels[-1].good("%load_ext berlin_magic")
        return kernels[-1]

    yield started
    for kernel in kernels:
        kernel.close()


def run_asked(kernel: Kernel, code: str, *answers: str, **how: bool) -> Run:
    """Run a cell, and type the answers to what it asks; what is typed has to stay unseen."""
    request = kernel.send(code, **how)
    for answer in answers:
        question = kernel.client.get_stdin_msg(timeout=30)["content"]
        assert question["password"] is True
        kernel.client.input(answer)
    return kernel.finish(request)


def logged_in(kernel: Kernel, server: Server) -> Run:
    run = run_asked(kernel, f"%berlin login {server.url}", ACCOUNT, PASSWORD)
    assert run.status == "ok", run.error
    assert "Logged in" in run.stdout
    return run


def holding(folder: Path, canary: str) -> set[str]:
    """Return the names of the files below `folder` that hold `canary`."""
    return {path.name for path in folder.rglob("*") if path.is_file() and canary.encode() in path.read_bytes()}


def assert_told_nothing(*runs: Run) -> None:
    for run in runs:
        told = json.dumps([[message.kind, message.content] for message in run.messages] + [run.reply], default=str)
        for canary in (PASSWORD, TOKEN, "canary-hash", "203.0.113"):
            assert canary not in told


def test_a_login_is_for_this_kernel_and_the_next_and_stands_in_private_files_only(
    start: Start, school: Server, home: Path
) -> None:
    kernel = start()
    runs = [logged_in(kernel, school)]
    assert ACCOUNT not in json.dumps([message.content for message in runs[0].messages], default=str)
    runs.append(kernel.good("%%berlin\nHello"))
    assert runs[-1].answer["text/plain"].strip() == "The answer is 42."
    runs.append(kernel.good("%berlin"))
    assert "balance       899,999" in runs[-1].stdout
    runs.append(kernel.good("print(In)\n%history"))
    kernel.close()
    later = start()
    runs.append(later.good("%%berlin\nHello again"))
    assert school.logins == 1
    assert {asked.headers["token"] for asked in school.asked} == {TOKEN}
    assert_told_nothing(*runs)
    assert holding(home, PASSWORD) == {"logins.json"}
    assert holding(home, TOKEN) == {"tokens.json"}
    if os.name != "nt":
        for name in ("logins.json", "tokens.json"):
            assert stat.S_IMODE((home / "state" / name).stat().st_mode) == 0o600


def test_logging_out_leaves_nothing(start: Start, school: Server, home: Path) -> None:
    kernel = start()
    logged_in(kernel, school)
    assert "Logged out" in kernel.good("%berlin logout").stdout
    for canary in (PASSWORD, TOKEN, ACCOUNT):
        assert holding(home, canary) == set()
    assert "embedded" in kernel.good("%berlin").stdout
    assert "No login is stored" in kernel.good("%berlin logout").stdout


def test_a_wrong_password_is_a_short_error_and_stores_nothing(start: Start, school: Server, home: Path) -> None:
    kernel = start()
    kernel.good("%xmode Verbose")
    wrong = "canary-password-wrong"
    run = run_asked(kernel, f"%berlin login {school.url}", ACCOUNT, wrong)
    assert run.status == "error"
    assert "LoginRefusedError" in run.error
    assert wrong not in json.dumps([message.content for message in run.messages], default=str)
    assert not (home / "state" / "logins.json").exists()
    assert holding(home, wrong) == holding(home, ACCOUNT) == set()


def test_where_nothing_can_be_asked_it_says_so(start: Start, school: Server) -> None:
    run = run_asked(start(), f"%berlin login {school.url}", allow_stdin=False)
    assert run.status == "error"
    assert "BERLIN_PASSWORD" in run.error
    assert school.logins == 0


@pytest.mark.skipif(os.name == "nt", reason="jupyter_client interrupts on its loop there, which waits")
def test_an_interrupt_ends_the_question_in_one_line_and_the_kernel_goes_on(
    start: Start, school: Server, home: Path
) -> None:
    kernel = start()
    request = kernel.send(f"%berlin login {school.url}")
    queued = kernel.send("ran = True")
    kernel.client.get_stdin_msg(timeout=30)
    kernel.interrupt()
    run = kernel.finish(request, timeout=10)
    assert run.error == "Interrupted."
    assert kernel.finish(queued).status == "aborted"
    logged_in(kernel, school)


def test_a_cell_that_is_not_awaited_asks_too(start: Start, school: Server) -> None:
    run = run_asked(start(), f"%%time\n%berlin login {school.url}", ACCOUNT, PASSWORD)
    assert "Logged in" in run.stdout, run.error


def test_a_keyring_has_the_password_and_the_file_has_not(start: Start, school: Server, home: Path) -> None:
    (home / "file_keyring.py").write_text(KEYRING)
    ring = {"PYTHON_KEYRING_BACKEND": "file_keyring.Keyring", "FILE_KEYRING": str(home / "ring.json")}
    kernel = start(str(home), **ring)
    assert "keyring" in logged_in(kernel, school).stdout
    assert holding(home, PASSWORD) == {"ring.json"}
    (home / "state" / "tokens.json").unlink()
    later = start(str(home), **ring)
    assert_told_nothing(later.good("%%berlin\nHello"))
    assert school.logins == 2
    later.good("%berlin logout")
    assert holding(home, PASSWORD) == set()


def test_a_keyring_that_gives_nothing_any_more_is_an_error_that_says_what_to_do(
    start: Start, school: Server, home: Path
) -> None:
    (home / "file_keyring.py").write_text(KEYRING)
    ring = {"PYTHON_KEYRING_BACKEND": "file_keyring.Keyring", "FILE_KEYRING": str(home / "ring.json")}
    kernel = start(str(home), **ring)
    logged_in(kernel, school)
    (home / "state" / "tokens.json").unlink()
    (home / "ring.json").unlink()
    run = start(str(home), **ring).run("%%berlin\nHello")
    assert "keyring" in run.error and "%berlin login" in run.error
