"""Hand-tuned FastAPI: orjson, uvloop, httptools, no validation, one ONNX Runtime thread. Usage: fastapi_server.py MODEL PORT"""
import sys

import numpy
import onnxruntime
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
names = [output.name for output in session.get_outputs()]
app = FastAPI()


@app.post("/v2/models/m/infer")
async def infer(request: Request) -> Response:
    asked = orjson.loads(await request.body())["inputs"][0]
    rows = numpy.asarray(asked["data"], dtype=numpy.float32).reshape(asked["shape"])
    results = session.run(names, {asked["name"]: rows})
    outputs = [
        {"name": name, "datatype": "FP32", "shape": result.shape, "data": result.ravel()}
        for name, result in zip(names, results)
    ]
    body = orjson.dumps({"model_name": "m", "outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, media_type="application/json")


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), access_log=False, log_level="error", loop="uvloop", http="httptools")
