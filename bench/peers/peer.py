"""What the Python peers share: the requests on standard input, one JSON document a line (bench/src/peers/peer.ts)."""
import base64
import json
import sys
import time

import numpy as np


def array(given):
    return np.frombuffer(base64.b64decode(given["base64"]), dtype=given["dtype"]).reshape(given["shape"])


def serve(start):
    """`start(model, inputs, threads)` gives what is measured, what reads the outputs, and the peer's name and version."""
    first = json.loads(sys.stdin.readline())
    run, outputs, name = start(first["model"], [array(each) for each in first["inputs"]], first["threads"])
    answer({"name": name})
    for line in sys.stdin:
        request = json.loads(line)
        if "runs" in request:
            answer({"milliseconds": [timed(run) for _ in range(request["runs"])]})
        else:
            answer({"outputs": [encoded(np.asarray(each)) for each in outputs()]})


def timed(run):
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


def encoded(values):
    return {
        "shape": list(values.shape),
        "base64": base64.b64encode(np.ascontiguousarray(values, dtype=np.float32).tobytes()).decode(),
    }


def answer(document):
    print(json.dumps(document), flush=True)
