"""The command line: a real process for what only a process shows, `main` itself for the rest."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from server.scripted_engine import ScriptedEngine

from berlin_magic.server.__main__ import _print_models, main
from berlin_magic.server.accounts.database import AccountFile

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CANARY = "sk-canary-key"


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """Run the server on a free port; yield the process, its URL and the lines that it announced itself with."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "berlin_magic.server", "--port", "0", *arguments],
        cwd=ROOT,
        env={**os.environ, "CANARY": CANARY},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    while lines[-1] and not lines[-1].startswith(("The default model", "The engine")):
        lines.append(process.stdout.readline())
    try:
        yield process, lines[0].split()[3], lines
    finally:
        process.kill()
        process.communicate()


def post(url: str, path: str, body: object, token: str = "") -> str:
    request = urllib.request.Request(
        url + path, json.dumps(body).encode(), {"token": token, "Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def get(url: str, path: str, token: str) -> Any:
    request = urllib.request.Request(url + path, headers={"token": token})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())["data"]


def test_it_says_where_it_listens_and_how_to_connect_and_then_answers():
    with running() as (_, url, lines):
        assert any(line.strip() == f"BERLIN_URL={url}" for line in lines)
        token = json.loads(post(url, "/api/login", {"account": "me", "password": "me"}))["data"]["token"]
        body = {"prompt": "hello", "parentMessageId": "p", "options": {"max_tokens": 5}}
        assert '"segment":"stop"' in post(url, "/api/chat/completions", body, token)


@pytest.mark.skipif(os.name == "nt", reason="Windows can't send these signals to one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_lets_a_running_reply_end_and_leaves_without_a_traceback(number: int):
    with running() as (process, url, _):
        token = json.loads(post(url, "/api/login", {"account": "me", "password": "me"}))["data"]["token"]
        body = json.dumps({"prompt": "hello", "parentMessageId": "p", "options": {"max_tokens": 20}}).encode()
        request = urllib.request.Request(
            url + "/api/chat/completions", body, {"token": token, "Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            first = answer.readline().decode()
            process.send_signal(number)
            rest = answer.read().decode()
        out, err = process.communicate(timeout=10)
    assert '"start"' in first
    assert '"stop"' in rest
    assert (process.returncode, err) == (0, "")
    assert out.endswith("Stopped.\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows can't send these signals to one process")
def test_a_second_interrupt_ends_running_replies_at_once_and_they_are_paid_all_the_same(tmp_path):
    file = AccountFile(tmp_path / "class.json")
    file.add("ada", "pw", 1_000)
    with running("--accounts", str(tmp_path / "class.json")) as (process, url, _):
        token = json.loads(post(url, "/api/login", {"account": "ada", "password": "pw"}))["data"]["token"]
        body = json.dumps({"prompt": "features", "parentMessageId": "p", "options": {}}).encode()
        request = urllib.request.Request(
            url + "/api/chat/completions", body, {"token": token, "Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert b'"start"' in answer.readline()
            process.send_signal(signal.SIGINT)
            assert process.stdout is not None
            while not process.stdout.readline().startswith("Stopping"):
                pass
            process.send_signal(signal.SIGINT)
            with pytest.raises((http.client.HTTPException, OSError)):
                answer.read()
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "Stopped.\n", "")
    assert 0 < AccountFile(tmp_path / "class.json").accounts[0].balance < 1_000


def test_a_port_in_use_is_one_clear_line_and_exit_code_1(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    out, err = capsys.readouterr()
    assert re.fullmatch(rf"berlin-server: can't listen on 127.0.0.1 port {port} \(.*in use.*\); try --port 0\n", err)
    assert out == ""


@pytest.mark.parametrize("host", ["nonsense.invalid", "192.0.2.1"])
def test_an_address_that_is_not_this_machines_is_told_as_such(tmp_path, capsys, host, monkeypatch):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "canary")

    if "invalid" in host:
        monkeypatch.setattr("socket.getaddrinfo", unknown)
    AccountFile(tmp_path / "class.json").add("ada", "pw")
    assert main(["--host", host, "--port", "0", "--accounts", str(tmp_path / "class.json")]) == 1
    _, err = capsys.readouterr()
    assert f"{host} port 0: --host must be an address or a name of this machine" in err
    assert "canary" not in err


@pytest.mark.skipif(os.name == "nt", reason="Windows can't send these signals to one process")
def test_a_reader_of_the_output_that_is_gone_costs_no_answer_and_no_complaint_at_the_end():
    with running("--log") as (process, url, _):
        assert process.stdout is not None
        process.stdout.close()
        for _ in range(2):
            assert json.loads(post(url, "/api/login", {"account": "me", "password": "me"}))["code"] == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize(("models", "default"), [(["a", "gpt-3.5-turbo"], "gpt-3.5-turbo"), (["a", "b"], "a")])
async def test_who_names_no_model_gets_what_is_announced(capsys, models, default):
    await _print_models(ScriptedEngine(models=models))
    assert f"default model is {default};" in capsys.readouterr().out


@pytest.fixture(autouse=True)
def fails_instead_of_serving_for_ever(request, monkeypatch):
    binds = ("in_use", "not_this_machines")
    if "capsys" in request.fixturenames and not any(name in request.node.name for name in binds):
        monkeypatch.setattr("berlin_magic.server.__main__.listen", None)


def refused(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert end.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "school.example"])
def test_another_address_than_loopback_needs_accounts_even_when_open(capsys, host):
    assert "needs --accounts FILE" in refused(capsys, "--host", host)
    assert "needs --accounts FILE" in refused(capsys, "--host", host, "--upstream", "http://h", "--open")


def test_an_upstream_needs_accounts_or_open_said_out_loud(capsys):
    assert "or --open" in refused(capsys, "--upstream", "http://h")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--upstream", "ftp://h", "--open"], "is not a server's address"),
        (["--upstream", "http://me:canary@h", "--open"], "--upstream-key-env"),
        (["--upstream", "http://h", "--open", "--upstream-key-env", "NOT_THERE"], "NOT_THERE is not set"),
        (["--model", "m"], "go with --upstream"),
        (["--upstream", "ftp://me:canary@h", "--open"], "--upstream-key-env"),
        (["--upstream", "http://me:can/ary@h:canary", "--open"], "--upstream-key-env"),
        (["--upstream", "", "--open"], "is not a server's address"),
        (["--upstream", "http://h", "--open", "--upstream-key-env", CANARY], "name of an environment variable"),
        (["--upstream", "http://h", "--open", "--upstream-key-env", "gsk_canary"], "name of an environment variable"),
        (["--upstream", "http://h", "--open", "--upstream-key-env", ""], "name of an environment variable"),
        (["--upstream", "http://h", "--open", "--upstream-key-env", "A=B"], "name of an environment variable"),
        (["--upstream-key-env", "NOT_THERE"], "go with --upstream"),
        (["--api-key", CANARY], "no option --api-key"),
        ([f"--api-key={CANARY}"], "no option --api-key"),
        ([CANARY], "belongs to an option"),
        (["--port", "70000"], "--port: '70000' is not a port from 0 to 65535"),
        (["--port", "http"], "--port: 'http' is not a port"),
        (["--grace", "0"], "--grace"),
        (["--rows", "-2"], "--rows"),
        (["--grace", "nan"], "--grace"),
        (["--state", "."], "can't be used"),
        (["--accounts", "nowhere.json"], "no account yet"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(capsys, arguments, says):
    error = refused(capsys, *arguments)
    assert says in error
    assert "canary" not in error


def test_an_upstream_that_is_down_is_said_and_the_key_is_not():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["--upstream", f"http://127.0.0.1:{port}", "--open", "--upstream-key-env", "CANARY", "--log"]
    with running(*arguments) as (process, url, lines):
        post(url, "/api/login", {"account": "me", "password": "canary-password"})
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
    said = "".join(lines) + out + err
    assert "does not answer yet" in said
    assert "me POST /api/login 200" in said
    assert "canary" not in said


def test_accounts_are_added_changed_listed_and_removed(tmp_path, capsys, monkeypatch):
    file = str(tmp_path / "accounts.json")
    monkeypatch.setattr("berlin_magic.server.accounts.command.getpass", lambda _: "canary")
    assert main(["accounts", "add", "ada", "--accounts", file]) == 0
    assert main(["accounts", "add", "ada", "--accounts", file]) == 0
    assert main(["accounts", "list", "--accounts", file]) == 0
    assert main(["accounts", "remove", "ada", "--accounts", file]) == 0
    assert main(["accounts", "remove", "ada", "--accounts", file]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == ["Added ada.", "Changed the password of ada.", "ada  no limit", "Removed ada."]
    assert "no account 'ada'" in err


def test_balances_are_given_changed_and_listed(tmp_path, capsys):
    def command(*arguments: str) -> str:
        assert main(["accounts", *arguments, "--accounts", str(tmp_path / "accounts.json")]) == 0
        return capsys.readouterr().out

    assert re.fullmatch(r"Added ada\. Password: \S{16}\n", command("add", "ada", "--balance", "50", "--generate"))
    command("add", "babbage", "--generate")
    assert command("list").splitlines() == ["ada      50 tokens left", "babbage  no limit"]
    assert command("balance", "ada", "7") == "ada has 7 tokens left.\n"
    assert command("balance", "ada", "+3") == "ada has 10 tokens left.\n"
    assert command("balance", "ada", "unlimited") == "ada has no limit.\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["balance", "bob", "5"], "no account 'bob'"),
        (["balance", "ada", "much"], "'much' is not a number of tokens"),
        (["balance", "ada", "+-5"], "not a number"),
        (["balance", "ada", "9" * 5_000], "not a number"),
        (["add", "ada", "--balance", "²", "--generate"], "not a number"),
        (["add", "", "--generate"], "a name has"),
    ],
)
def test_what_can_not_be_done_with_an_account_is_said_and_changes_nothing(tmp_path, capsys, arguments, says):
    file = tmp_path / "accounts.json"
    main(["accounts", "add", "ada", "--generate", "--accounts", str(file)])
    before = file.read_bytes()
    assert main(["accounts", *arguments, "--accounts", str(file)]) == 1
    assert says in capsys.readouterr().err
    assert file.read_bytes() == before


def test_two_passwords_that_differ_change_nothing(tmp_path, capsys, monkeypatch):
    answers = iter(["one", "two"])
    monkeypatch.setattr("berlin_magic.server.accounts.command.getpass", lambda _: next(answers))
    assert main(["accounts", "add", "ada", "--accounts", str(tmp_path / "a.json")]) == 1
    assert "not the same" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_account_in_the_file_can_log_in_and_others_cannot(tmp_path):
    file = str(tmp_path / "accounts.json")
    add = [sys.executable, "-m", "berlin_magic.server", "accounts", "add", "ada", "--accounts", file]
    subprocess.run([*add, "--password-stdin"], cwd=ROOT, input="pw\n", text=True, check=True, capture_output=True)
    with running("--accounts", file) as (_, url, _lines):
        assert json.loads(post(url, "/api/login", {"account": "ada", "password": "pw"}))["code"] == 0
        with pytest.raises(urllib.error.HTTPError) as refusal:
            post(url, "/api/login", {"account": "bob", "password": "pw"})
        with refusal.value as answer:
            assert answer.code == 406


def test_a_class_keeps_its_logins_conversations_and_balances_when_the_server_is_killed(tmp_path):
    file = str(tmp_path / "class.json")
    add = [sys.executable, "-m", "berlin_magic.server", "accounts", "add", "ada", "--accounts", file]
    subprocess.run(
        [*add, "--password-stdin", "--balance", "10000"],
        cwd=ROOT,
        input="pw\n",
        text=True,
        check=True,
        capture_output=True,
    )
    body = {"prompt": "hello", "parentMessageId": "p", "options": {"max_tokens": 5}}
    with running("--accounts", file) as (process, url, lines):
        assert f"are kept in {tmp_path / 'class.db'}." in "".join(lines)
        token = json.loads(post(url, "/api/login", {"account": "ada", "password": "pw"}))["data"]["token"]
        post(url, "/api/chat/completions", body, token)
        process.kill()
    with running("--accounts", file) as (_, url, _lines):
        assert len(get(url, "/api/user/messages", token)[0]["data"]) == 2
        assert 0 < get(url, "/api/user/info", token)["integral"] < 10_000


def test_one_state_has_one_server(tmp_path):
    state = str(tmp_path / "class.db")
    with running("--state", state):
        command = [sys.executable, "-m", "berlin_magic.server", "--port", "0", "--state", state]
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 2
    assert "in use by another program" in second.stderr
