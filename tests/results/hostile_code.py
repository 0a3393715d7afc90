"""Code that tries to pass a check which it should not pass, or to outlast it; by what it does."""

from __future__ import annotations

_WRITE = """
import glob, os
verdicts = [b'{"kind": "passed", "used": ["f"], "seconds": 1}', b'["{}", "0"]', b'{"value": null}', b'{"value": 4}']
for fd in WHERE:
    for line in verdicts:
        try:
            os.write(OPEN, line + b"\\n")
        except OSError:
            pass
def f(x): return 5
"""

LIAR = """
class A:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    def __gt__(self, other): return True
    def __sub__(self, other): return 0.0
    def __contains__(self, other): return True
    def __iter__(self): return iter(())
def f(x): return A()
"""

FALSE_VERDICTS = {
    "prints one": """
print('{"kind": "passed", "used": [], "seconds": 1}')
def f(x): return 5
""",
    "writes one into whatever is open": _WRITE.replace("WHERE", "range(64)").replace("OPEN", "fd"),
    "writes one into what its judge has open": _WRITE.replace(
        "WHERE", "glob.glob(f'/proc/{os.getppid()}/fd/[1-9]*')"
    ).replace("OPEN", "os.open(fd, os.O_WRONLY | os.O_NONBLOCK)"),
    "ends itself": "import os\nos._exit(0)",
    "ends itself later": "import os\ndef f(x): os._exit(0)",
    "ends itself in a thread": """
import os, threading, time
threading.Timer(0.1, os._exit, [0]).start()
def f(x):
    time.sleep(20)
    return 4
""",
    "exits": "import sys\nsys.exit(0)",
    "exits later": "def f(x): raise SystemExit(0)",
    "is interrupted": "raise KeyboardInterrupt",
    "ends its judge": "import os\nos.kill(os.getppid(), 9)\nwhile True: pass",
    "patches what is built in": """
import builtins
builtins.compile = builtins.exec = lambda *args, **more: None
builtins.AssertionError = StopIteration
builtins.all = lambda x: True
def f(x): return 5
""",
    "patches the worker": """
import json, sys
for module in list(sys.modules.values()):
    if hasattr(module, 'Worker'):
        module.Worker.end = module.Worker.get = lambda *args: True
json.loads = lambda text: {}
def f(x): return 5
""",
    "patches the comparison": "import operator\noperator.eq = lambda a, b: True\ndef f(x): return 5",
    "answers in the worker's name": """
import sys
frame = sys._getframe()
while frame:
    worker = frame.f_locals.get('self')
    if hasattr(worker, '_write'):
        for answer in ({'value': None, 'kind': 'passed'}, {'value': True}, {'verdict': 'passed'}):
            worker._write(answer)
    frame = frame.f_back
def f(x): return 5
""",
    "returns what equals everything": LIAR,
    "returns a number that equals everything": """
class A(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def f(x): return A(5)
""",
    "defines another name": "def g(x): return 4",
    "is no Python": "def f(x) return 4",
    "is empty": "",
}

MEMORY = {
    "in many objects": "kept = []\nwhile True: kept.append(bytearray(1_000_000))",
    "at once": "kept = b'x' * 10_000_000_000",
    "in shared pages": """
import mmap
kept = []
while True:
    kept.append(mmap.mmap(-1, 50_000_000))
    for at in range(0, 50_000_000, 4096):
        kept[-1][at] = 1
""",
}

FILES = {
    "a large one": "with open('a', 'wb') as file:\n    while True: file.write(bytes(1_000_000))",
    "many": "for i in range(1_000_000):\n    with open(f'a{i}', 'wb') as file: file.write(bytes(1_000_000))",
    "many empty ones": "for i in range(1_000_000): open(f'a{i}', 'wb').close()",
}

FORKS = {
    "that runs on": "import os\nif os.fork() == 0:\n    while True: pass\ndef f(x): return 4",
    "in a session of its own": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
def f(x): return 4
""",
    "without end": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "and leaves": "import os\nif os.fork() == 0:\n    while True: pass\nos._exit(0)",
    "and ends the judge": """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(1000)
os.kill(os.getppid(), 9)
""",
}
