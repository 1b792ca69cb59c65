"""TensorFlow Lite's own interpreter, timed: one JSON request a line in, one answer a line out.

{"load": path, "threads": n} -> {"loaded": true, "version": ...}; {"runs": n} -> {"invoke": [ms, ...], "whole": [ms, ...]}
"whole" is set_tensor, invoke and get_tensor; "invoke" the middle one alone.
"""

import json
import sys
import time

import numpy

try:
    import ai_edge_litert
    from ai_edge_litert.interpreter import Interpreter

    VERSION = "ai-edge-litert " + ai_edge_litert.__version__
except ImportError:
    import tensorflow

    Interpreter = tensorflow.lite.Interpreter
    VERSION = "tensorflow " + tensorflow.__version__

interpreter = None
inputs = []


def load(path, threads):
    global interpreter, inputs
    interpreter = Interpreter(model_path=path, num_threads=threads)
    interpreter.allocate_tensors()
    inputs = []
    for detail in interpreter.get_input_details():
        inputs.append((detail["index"], numpy.zeros(detail["shape"], detail["dtype"])))


def run():
    start = time.perf_counter()
    for index, values in inputs:
        interpreter.set_tensor(index, values)
    before = time.perf_counter()
    interpreter.invoke()
    after = time.perf_counter()
    for detail in interpreter.get_output_details():
        interpreter.get_tensor(detail["index"])
    end = time.perf_counter()
    return (after - before) * 1000, (end - start) * 1000


for line in sys.stdin:
    request = json.loads(line)
    if "load" in request:
        load(request["load"], request["threads"])
        answer = {"loaded": True, "version": VERSION}
    else:
        times = [run() for _ in range(request["runs"])]
        answer = {"invoke": [time[0] for time in times], "whole": [time[1] for time in times]}
    print(json.dumps(answer), flush=True)
