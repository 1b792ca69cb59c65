"""Peer: TensorFlow Lite in Python."""
from litert_model import LitertModel
from peer import serve


def start(path, inputs, threads):
    model = LitertModel(path, [each.shape for each in inputs], threads)
    return lambda: model.run(inputs), lambda: model.run(inputs), model.name


serve(start)
