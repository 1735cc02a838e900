"""Asks a gateway with Triton's own Python clients, unmodified, and prints what they understood as JSON lines.

Usage: client.py http|grpc|fields <address> <bearer>
"""

import asyncio
import json
import sys

import numpy as np

MODE, ADDRESS, BEARER = sys.argv[1:4]
# Copied for each call: the HTTP client writes its own headers into the dictionary that it is given.
HEADERS = {"authorization": f"Bearer {BEARER}"}


def say(name, value):
    print(json.dumps({"name": name, "value": value}), flush=True)


def refused(work):
    from tritonclient.utils import InferenceServerException

    try:
        work()
    except InferenceServerException as error:
        return {"status": error.status(), "message": error.message()}
    return "accepted"


def common(module, client):
    """What both clients offer under the same names."""
    say("live", client.is_server_live(headers=dict(HEADERS)))
    say("ready", client.is_server_ready(headers=dict(HEADERS)))
    say("model_ready", client.is_model_ready("score", headers=dict(HEADERS)))
    say("missing_ready", client.is_model_ready("missing", headers=dict(HEADERS)))
    x = module.InferInput("x", [2, 2], "FP32")
    x.set_data_from_numpy(np.array([[1, 2], [0, 0]], dtype=np.float32))
    # Neither outputs nor formats are named: both clients then send and expect binary tensors.
    result = client.infer("score", [x], request_id="r7", headers=dict(HEADERS))
    say("score", result.as_numpy("score").tolist())
    big = module.InferInput("in", [2], "INT64")
    big.set_data_from_numpy(np.array([2**62 + 1, -(2**63)], dtype=np.int64))
    result = client.infer("echo", [big], headers=dict(HEADERS), outputs=[module.InferRequestedOutput("out")])
    say("int64", [str(value) for value in result.as_numpy("out")])
    text = module.InferInput("in", [2], "BYTES")
    text.set_data_from_numpy(np.array(["höhe".encode(), b""], dtype=np.object_))
    say("bytes", [value.decode() for value in client.infer("text", [text], headers=dict(HEADERS)).as_numpy("out")])
    half = module.InferInput("in", [3], "FP16")
    half.set_data_from_numpy(np.array([0.5, -2, 65504], dtype=np.float16))
    say("fp16", client.infer("half", [half], headers=dict(HEADERS)).as_numpy("out").tolist())
    wrong = module.InferInput("x", [1, 3], "FP32")
    wrong.set_data_from_numpy(np.zeros((1, 3), dtype=np.float32))
    say("wrong_shape", refused(lambda: client.infer("score", [wrong], headers=dict(HEADERS))))
    say("unknown", refused(lambda: client.infer("missing", [x], headers=dict(HEADERS))))
    say("nobody", refused(lambda: client.infer("score", [x])))
    say("unload", refused(lambda: client.unload_model("score", headers=dict(HEADERS))))
    client.load_model("score", headers=dict(HEADERS))


def over_http():
    import tritonclient.http as http
    import tritonclient.http.aio as http_aio

    client = http.InferenceServerClient(ADDRESS)
    common(http, client)
    say("response_id", client.get_server_metadata(headers=dict(HEADERS))["name"])
    say("metadata", client.get_model_metadata("score", headers=dict(HEADERS)))
    say("config", client.get_model_config("score", headers=dict(HEADERS))["max_batch_size"])
    say("index", client.get_model_repository_index(headers=dict(HEADERS)))
    stats = client.get_inference_statistics("score", headers=dict(HEADERS))["model_stats"][0]
    say("statistics", {"rows": stats["inference_count"], "blocks": sorted(stats["inference_stats"])})
    x = http.InferInput("x", [1, 2], "FP32")
    x.set_data_from_numpy(np.array([[1, 2]], dtype=np.float32), binary_data=False)
    out = [http.InferRequestedOutput("score", binary_data=False)]
    for algorithm in ("gzip", "deflate"):
        result = client.infer(
            "score",
            [x],
            outputs=out,
            headers=dict(HEADERS),
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )
        say(algorithm, result.as_numpy("score").tolist())
    long = http.InferInput("in", [5000], "INT64")
    long.set_data_from_numpy(np.arange(5000, dtype=np.int64))
    result = client.infer("echo", [long], headers=dict(HEADERS), response_compression_algorithm="gzip")
    say("long", int(result.as_numpy("out").sum()))

    async def asynchronously():
        async with http_aio.InferenceServerClient(ADDRESS) as aio:
            result = await aio.infer("echo", [long], headers=dict(HEADERS))
            return int(result.as_numpy("out").sum())

    say("aio", asyncio.run(asynchronously()))


def over_grpc():
    import queue

    import tritonclient.grpc as grpc

    client = grpc.InferenceServerClient(ADDRESS)
    common(grpc, client)
    say("metadata", client.get_model_metadata("score", as_json=True, headers=dict(HEADERS)))
    say("config", client.get_model_config("score", headers=dict(HEADERS)).config.max_batch_size)
    say("index", client.get_model_repository_index(as_json=True, headers=dict(HEADERS))["models"])
    stats = client.get_inference_statistics("score", headers=dict(HEADERS)).model_stats[0]
    say("statistics", {"rows": stats.inference_count, "queue": stats.inference_stats.queue.count})
    answers = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)), headers=dict(HEADERS))
    for value in (1, 2):
        number = grpc.InferInput("in", [1], "INT64")
        number.set_data_from_numpy(np.array([value], dtype=np.int64))
        client.async_stream_infer("echo", [number])
    client.async_stream_infer("missing", [number])
    said = []
    for _ in range(3):
        result, error = answers.get(timeout=60)
        said.append(int(result.as_numpy("out")[0]) if error is None else "unknown model" in str(error))
    client.stop_stream()
    say("stream", said)


def fields():
    """Every field of every message, as the client's own descriptors have them."""
    from tritonclient.grpc import model_config_pb2, service_pb2

    out = {}

    def visit(message, path):
        out[path] = {field.name: field.number for field in message.fields}
        for inner in message.nested_types:
            if not inner.GetOptions().map_entry:
                visit(inner, f"{path}.{inner.name}")

    for file in (service_pb2.DESCRIPTOR, model_config_pb2.DESCRIPTOR):
        for name, message in file.message_types_by_name.items():
            visit(message, name)
    say("fields", out)
    methods = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods
    say("methods", sorted(method.name for method in methods))


{"http": over_http, "grpc": over_grpc, "fields": fields}[MODE]()
