"""Calls an enclave as any gRPC client could: attests, then Predict once and PredictStream three times on one stream.

Takes the port, and JSON on standard input: the certificate, and messages in hexadecimal. Prints the answers in the same
way. It verifies no evidence: Python's gRPC has no TLS exporter, and this test is about the calls.
"""

import json
import sys

import grpc

given = json.load(sys.stdin)
attest, predict = (bytes.fromhex(given[name]) for name in ("attest", "predict"))
credentials = grpc.ssl_channel_credentials(root_certificates=given["certificate"].encode())
# The name in the certificate has a space, which no :authority may have.
options = [("grpc.ssl_target_name_override", "tf-trusted enclave"), ("grpc.default_authority", "localhost")]
with grpc.secure_channel(f"127.0.0.1:{sys.argv[1]}", credentials, options) as channel:
    channel.unary_unary("/tf_trusted.v1.AttestationService/Attest")(attest, timeout=20)
    service = "/tf_trusted.v1.PredictionService"
    answers = [channel.unary_unary(f"{service}/Predict")(predict, timeout=20)]
    answers += channel.stream_stream(f"{service}/PredictStream")(iter([predict] * 3), timeout=20)
print(json.dumps([answer.hex() for answer in answers]))
