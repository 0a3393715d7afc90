"""In the place of the package that runs models: a server that speaks enough of the protocol, and says its process id.

What it does is in the name of the model's file: `slow`, `broken`, `crash`.
"""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

_FOREVER = 60


class CommonParams(SimpleNamespace):
    def __init__(self):
        super().__init__(
            model=SimpleNamespace(path=""),
            mmproj=SimpleNamespace(path=""),
            cpuparams=SimpleNamespace(),
            cpuparams_batch=SimpleNamespace(),
            sampling=SimpleNamespace(),
        )


class Server:
    def __init__(self, parameters):
        path = Path(parameters.model.path)
        with path.with_suffix(".loaded").open("a") as file:  # how often it was in memory
            file.write(f"{os.getpid()}\n")
        if "slow" in path.stem:
            time.sleep(_FOREVER)
        if "broken" in path.stem:
            os.write(
                2, b"0.00.022.686 I srv: loading\n0.00.022.687 E llama_model_load: error loading model: it is odd\n"
            )
            os.write(2, b"0.00.022.688 E srv  load_model: failed to load model, 'x.gguf'\n")
            raise RuntimeError("Failed to init server, please check the input params.")
        if "crash" in path.stem:
            os.abort()
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(parameters))
        Thread(target=server.serve_forever, daemon=True).start()
        self.listening_address = f"http://127.0.0.1:{server.server_port}"


def _handler(parameters):
    dropped = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            question = body["messages"][-1]["content"]
            if self.headers["Authorization"] != f"Bearer {parameters.api_keys[0]}":
                self.send_error(401)
                return
            if question == "drop" and not dropped:
                dropped.append(question)
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            said = {
                "who": str(os.getpid()),
                "settings": f"{parameters.cpuparams.n_threads} {parameters.n_ctx} {parameters.n_gpu_layers}",
                "environment": json.dumps(sorted(os.environ.values())),
            }.get(question, "Hello")
            self._send({"delta": {"content": said}, "finish_reason": None})
            if question == "hang":
                time.sleep(_FOREVER)
            self._send({"delta": {}, "finish_reason": "stop"})
            self.wfile.write(b"data: [DONE]\n\n")

        def _send(self, choice):
            self.wfile.write(f"data: {json.dumps({'choices': [{'index': 0, **choice}]})}\n\n".encode())
            self.wfile.flush()

        def log_message(self, *arguments):
            pass

    return Handler
