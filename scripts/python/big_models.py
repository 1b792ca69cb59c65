"""Models too large to keep, for `npm run bench:convert -- --big DIR`: a frozen graph of 524 MB and a SavedModel of 1,049 MB.

    python3 scripts/python/big_models.py DIR [--measure]

`--measure` converts each with TensorFlow's own converter in a process of its own, and prints its time and peak memory.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SIZE = 5120


def weights(tf, np, count):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((SIZE, SIZE), dtype=np.float32) * np.float32(0.01) for _ in range(count)]


def frozen_graph(path):
    import numpy as np
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        y = tf.compat.v1.placeholder(tf.float32, [1, SIZE], name="x")
        for each in weights(tf, np, 5):
            y = tf.nn.relu(tf.matmul(y, tf.constant(each)))
        tf.identity(y, name="y")
    with open(path, "wb") as file:
        file.write(graph.as_graph_def().SerializeToString())


def saved_model(path):
    import numpy as np
    import tensorflow as tf

    class Model(tf.Module):
        def __init__(self):
            self.layers = [tf.Variable(each) for each in weights(tf, np, 10)]

        @tf.function(input_signature=[tf.TensorSpec([1, SIZE], tf.float32, name="x")])
        def __call__(self, x):
            for each in self.layers:
                x = tf.nn.relu(tf.matmul(x, each))
            return {"y": x}

    model = Model()
    tf.saved_model.save(model, path, signatures=model.__call__)


MODELS = {"graph_500mb.pb": frozen_graph, "saved_model_1gb": saved_model}


def convert(path):
    import tensorflow as tf

    start = time.perf_counter()
    if path.endswith(".pb"):
        converter = tf.compat.v1.lite.TFLiteConverter.from_frozen_graph(path, ["x"], ["y"])
    else:
        converter = tf.lite.TFLiteConverter.from_saved_model(path)
    size = len(converter.convert())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"model": path, "seconds": round(time.perf_counter() - start, 2), "tflite_bytes": size, "peak_mib": peak}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--convert", metavar="MODEL")
    arguments = parser.parse_args()
    if arguments.convert:
        convert(arguments.convert)
        sys.exit()
    for name, make in MODELS.items():
        path = os.path.join(arguments.folder, name)
        if not os.path.exists(path):
            make(path)
        if arguments.measure:
            # The peak of a child is its own.
            subprocess.run([sys.executable, __file__, arguments.folder, "--convert", path], check=False)
