"""Asks a gateway with KServe's own Python clients, unmodified, and prints what they understood as JSON lines.

Usage: client.py rest|v1|grpc <address> <bearer>
"""

import asyncio
import json
import sys

import numpy as np
from kserve import InferInput, InferRequest, InferenceGRPCClient, InferenceRESTClient, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

MODE, ADDRESS, BEARER = sys.argv[1:4]
HEADERS = {"authorization": f"Bearer {BEARER}"}
METADATA = tuple(HEADERS.items())


def say(name, value):
    print(json.dumps({"name": name, "value": value}), flush=True)


def rows(binary):
    """Two rows of two numbers, as raw bytes or as JSON."""
    x = InferInput("x", [2, 2], "FP32")
    x.set_data_from_numpy(np.array([[1, 2], [0, 0]], dtype=np.float32), binary_data=binary)
    return x


def numbers(datatype, values, dtype):
    given = InferInput("in", [len(values)], datatype)
    given.set_data_from_numpy(np.array(values, dtype=dtype), binary_data=True)
    return given


def wish(name, binary):
    return [RequestedOutput(name, {"binary_data": binary})]


def output(response, at=0):
    return response.outputs[at].as_numpy().tolist()


async def common(ask):
    """What both clients take: the request object of the SDK."""
    for binary in (True, False):
        asked = InferRequest(
            "score", [rows(binary)], request_id="r9", request_outputs=wish("score", binary)
        )
        response = await ask("score", asked)
        said = [response.id, response.model_name, output(response)]
        say("binary" if binary else "typed", said)
    big = InferRequest("echo", [numbers("INT64", [2**62 + 1, -(2**63)], np.int64)])
    say("int64", [str(value) for value in output(await ask("echo", big))])
    # FP16 has no JSON form: over REST the binary one has to be asked for, as KServe's own server demands too.
    half = InferRequest(
        "half", [numbers("FP16", [0.5, -2, 65504], np.float16)], request_outputs=wish("out", True)
    )
    say("fp16", output(await ask("half", half)))
    text = InferInput("in", [2], "BYTES")
    text.set_data_from_numpy(np.array(["höhe".encode(), b""], dtype=np.object_), binary_data=True)
    said = await ask("text", InferRequest("text", [text]))
    texts = said.outputs[0].as_numpy()
    say("bytes", [one.decode() if isinstance(one, bytes) else one for one in texts])


async def refused(work):
    try:
        await work
    except Exception as error:  # httpx and grpc have no common base
        response = getattr(error, "response", None)
        if response is not None:
            return {"status": response.status_code, "error": response.json()["error"]}
        return {"status": str(error.code()), "error": error.details()}
    return "accepted"


async def over_rest():
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))

    async def ask(model, request, headers=HEADERS):
        return await client.infer(ADDRESS, request, model_name=model, headers=dict(headers))

    say("live", await client.is_server_live(ADDRESS))
    say("ready", await client.is_server_ready(ADDRESS))
    say("model_ready", await client.is_model_ready(ADDRESS, "score", headers=dict(HEADERS)))
    await common(ask)
    plain = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [[0, 0]]}]}
    say("plain", output(await ask("score", plain)))
    wrong = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}
    say("wrong_shape", await refused(ask("score", wrong)))
    say("unknown", await refused(ask("missing", plain)))
    say("nobody", await refused(ask("score", plain, {})))
    await client.close()


async def over_v1():
    client = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
    say("live", await client.is_server_live(ADDRESS))
    say("model_ready", await client.is_model_ready(ADDRESS, "score", headers=dict(HEADERS)))
    rows = {"instances": [[1, 2], [0, 0]]}
    say("v1", await client.infer(ADDRESS, rows, model_name="score", headers=dict(HEADERS)))
    ragged = {"instances": [[1, 2], [0]]}
    say("ragged", await refused(client.infer(ADDRESS, ragged, model_name="score", headers=dict(HEADERS))))
    await client.close()


async def over_grpc():
    client = InferenceGRPCClient(ADDRESS, retries=0)

    async def ask(model, request, headers=METADATA):
        request.model_name = model
        return await client.infer(request, headers=headers)

    say("live", await client.is_server_live())
    say("ready", await client.is_server_ready())
    say("model_ready", await client.is_model_ready("score", headers=METADATA))
    await common(ask)
    wrong = InferInput("x", [1, 3], "FP32")
    wrong.set_data_from_numpy(np.zeros((1, 3), dtype=np.float32), binary_data=True)
    say("wrong_shape", await refused(ask("score", InferRequest("score", [wrong]))))
    say("unknown", await refused(ask("missing", InferRequest("missing", [rows(True)]))))
    say("nobody", await refused(ask("score", InferRequest("score", [rows(True)]), ())))
    await client.close()


asyncio.run({"rest": over_rest, "v1": over_v1, "grpc": over_grpc}[MODE]())
