"""What showing a reply costs on the wire and in the kernel: as much for each byte, however long the reply."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from display.replies import code_reply, long_reply
from jupyter_client.manager import KernelManager

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
IN_KERNEL = Path(__file__).with_name("in_kernel")
KILO = 1000
IN_A_WIDGET, WITHOUT_ANSWER = True, False


@dataclass
class Cost:
    bytes: int
    cpu: float
    messages: int
    outputs: int
    drawn: int = 0  # messages for the live view
    widgets: int = 0


class FrontEnd:
    """Runs cells, counts what comes in return, and answers a live view's widget as JupyterLab does."""

    def __init__(self) -> None:
        self.manager = KernelManager()
        path = os.pathsep.join([str(ROOT), str(IN_KERNEL)])
        self.manager.start_kernel(env={**os.environ, "PYTHONPATH": path})
        self.client = self.manager.client()
        self.client.start_channels()

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def show(self, text: str, *, answered: bool) -> Cost:
        return self.run(f"from paced_view import show\nawait show({text!r}, answered={answered})")

    def run(self, code: str) -> Cost:
        cost = Cost(0, 0.0, 0, 0)
        request = self.client.execute(code)
        iopub = self.client.iopub_channel.socket
        waiting_to_clear = False
        while True:
            assert iopub.poll(60_000), "the kernel fell silent"
            frames = iopub.recv_multipart()
            _, parts = self.client.session.feed_identities(frames)
            message = self.client.session.deserialize(parts)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind in {"execute_input", "stream", "error"}:
                assert kind != "error", content["traceback"]
                if kind == "stream":
                    cost.cpu += sum(map(float, re.findall(r"cpu ([\d.e-]+)", content["text"])))
                continue
            cost.bytes += sum(map(len, frames))
            cost.messages += 1
            if kind == "clear_output":
                waiting_to_clear = content["wait"]
            elif kind == "display_data":
                cost.outputs = 1 if waiting_to_clear else cost.outputs + 1
                waiting_to_clear = False
            elif kind == "comm_open":
                cost.widgets += 1
            elif kind == "comm_msg":
                cost.drawn += "n" in content["data"].get("content", {})
                self.answer(content["comm_id"], content["data"].get("content", {}))
            elif kind == "status" and content["execution_state"] == "idle":
                return cost

    def answer(self, comm: str, message: dict) -> None:
        if "hello" in message:
            answer = {"ready": 0.5, "document": True}
        elif "end" in message:
            answer = {"bye": True}
        elif "n" in message:
            answer = {"painted": message["n"]}
        else:
            return
        data = {"method": "custom", "content": {"id": message["id"], **answer}}
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        self.client.shell_channel.send(message)


@pytest.fixture(scope="module")
def front_end():
    front_end = FrontEnd()
    front_end.client.wait_for_ready(timeout=60)
    yield front_end
    front_end.close()


@pytest.mark.parametrize("reply", [long_reply, code_reply])
@pytest.mark.parametrize("answered", [IN_A_WIDGET, WITHOUT_ANSWER])
def test_traffic_and_time_grow_with_the_length_and_not_with_its_square(front_end, reply, answered):
    short = front_end.show(reply(10 * KILO), answered=answered)
    long = front_end.show(reply(100 * KILO), answered=answered)
    assert long.bytes <= 12 * short.bytes
    assert long.bytes <= 20 * len(reply(100 * KILO).encode())
    assert long.cpu / 10 <= 2 * short.cpu
    assert long.outputs == 1


def prose(characters: int) -> str:
    """Return paragraphs of words."""
    sentence = "The quick brown fox jumps over the lazy dog, and goes on for a while as the paragraphs of a model do. "
    return (f"{sentence * 4}\n\n" * (characters // 400 + 1))[:characters]


@pytest.mark.parametrize("reply", [prose, long_reply])
def test_a_reply_is_drawn_eight_times_a_second_and_kept_readable_within_a_fixed_number_of_bytes(front_end, reply):
    front_end.show("The first reply brings the code of the widget.", answered=True)
    short = front_end.show(reply(10 * KILO), answered=True)
    long = front_end.show(reply(100 * KILO), answered=True)
    assert short.bytes <= 130 * KILO
    assert long.bytes <= 1250 * KILO
    assert long.drawn >= 8 * 50  # it takes 50 seconds at 2 kB a second
    assert short.widgets == long.widgets == 0


def test_a_code_block_of_200_kb_that_ends_at_the_end_keeps_the_bounds(front_end):
    cost = front_end.show(code_reply(200 * KILO), answered=True)
    assert cost.bytes <= 20 * 200 * KILO


def test_a_megabyte_without_an_answer_stays_below_jupyterlabs_limit_of_outputs(front_end):
    cost = front_end.run(
        f"from paced_view import show\nawait show({long_reply(KILO)!r} * {KILO}, answered=False, final=False)"
    )
    assert cost.outputs <= 45
