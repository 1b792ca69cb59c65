"""What a team would write: a plain gRPC server around TensorFlow Lite. Tensors travel as their bytes; no TLS, no attestation.

Its first line on standard output is its port. Inputs come as the shapes and dtypes of the JSON in the first argument say.
"""
import json
import sys
from concurrent import futures

import grpc
import numpy as np
from litert_model import LitertModel

path, threads, specs = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
model = LitertModel(path, [each["shape"] for each in specs], threads)


def predict(request, _context):
    values, at = [], 0
    for spec in specs:
        dtype = np.dtype(spec["dtype"])
        count = int(np.prod(spec["shape"]))
        values.append(np.frombuffer(request, dtype, count, at).reshape(spec["shape"]))
        at += count * dtype.itemsize
    return b"".join(each.astype(np.float32).tobytes() for each in model.run(values))


server = grpc.server(
    futures.ThreadPoolExecutor(max_workers=threads), options=[("grpc.max_receive_message_length", 64 << 20)]
)
handler = grpc.unary_unary_rpc_method_handler(predict)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("peers.Model", {"Predict": handler}),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, grpc.__version__, flush=True)
sys.stdin.read()
