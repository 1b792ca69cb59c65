"""Runs converted files in LiteRT's Python interpreter and compares with TensorFlow's numbers.

    python3 judge.py FOLDER

FOLDER is what `scripts/judge-python.mjs` makes: cases.jsonl, one object a line (id, model, io, inputs, outputs, tol,
compare, batches), and the files that it names. Prints one line for each case that isn't right, and the counts.
"""

import collections
import json
import os
import pathlib
import sys

import numpy as np

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tensorflow.lite import Interpreter


def repeat_rows(array, count):
    return np.resize(array, (count,) + array.shape[1:]) if array.ndim else array


def compare(case, found, wanted):
    if found.shape != wanted.shape:
        return f"shape {found.shape}, expected {wanted.shape}"
    if case["compare"] == "shape":
        return None
    if wanted.dtype.kind in "OSU":
        return None if [bytes(x) for x in found.ravel()] == [bytes(x) for x in wanted.ravel()] else "strings differ"
    wide = np.complex128 if wanted.dtype.kind == "c" else np.float64
    a, b = found.astype(wide), wanted.astype(wide)
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= case["tol"]["abs"] + case["tol"]["rel"] * np.abs(b)
    near |= (a == b) | (np.isnan(a) & np.isnan(b))
    return None if near.all() else f"{int((~near).sum())} elements differ, by up to {np.nanmax(np.abs(a - b))}"


def run(case, folder):
    arrays = np.load(folder / case["io"], allow_pickle=False)
    take = lambda prefix, name: arrays[f"{prefix}:{name}"] if f"{prefix}:{name}" in arrays else arrays[f"{prefix}:{name}:0"]
    for batch in case["batches"]:
        resize = (lambda x: repeat_rows(x, batch)) if batch else (lambda x: x)
        interpreter = Interpreter(model_path=str(folder / case["model"]), num_threads=1)
        runner = interpreter.get_signature_runner(case["signature"])
        inputs = {name: resize(take("in", name)) for name in case["inputs"]}
        outputs = runner(**inputs)
        for name in case["outputs"]:
            plain = name[:-2] if name.endswith(":0") else name
            problem = compare(case, outputs[plain], resize(take("out", name)))
            if problem:
                return "wrong", f"{plain}{f' at batch {batch}' if batch else ''}: {problem}"
    return "right", ""


def run_apart(case, folder):
    """In a child: the interpreter takes its process with it now and then."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            result = run(case, folder)
        except Exception as error:  # Whatever the interpreter throws is its refusal, and is told.
            result = "refused", str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        os.write(writer, json.dumps(result).encode()[:4096])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    return tuple(json.loads(told)) if told else ("crashed", f"signal {os.WTERMSIG(status)}")


def main(folder):
    counts = collections.Counter()
    for line in (folder / "cases.jsonl").read_text().splitlines():
        case = json.loads(line)
        outcome, reason = run_apart(case, folder)
        counts[case["id"].split("/")[0], outcome] += 1
        if outcome != "right":
            print(f"{outcome:8} {case['id']}: {reason}", flush=True)
    for (kind, outcome), count in sorted(counts.items()):
        print(f"{kind}: {count} {outcome}")
    return 1 if any(outcome == "wrong" for _, outcome in counts) else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
