"""Ray Serve, one replica, batching. Usage: ray_server.py MODEL PORT"""
import sys
import time

import numpy
import onnxruntime
from ray import serve
from starlette.requests import Request

model, port = sys.argv[1], int(sys.argv[2])


@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 0.5})
class Model:
    def __init__(self, path: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
    async def run(self, rows):
        return list(self.session.run(None, {"x": numpy.stack(rows)})[0])

    async def __call__(self, request: Request):
        asked = (await request.json())["inputs"][0]
        output = await self.run(numpy.asarray(asked["data"], dtype=numpy.float32))
        return {"model_name": "m", "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, len(output)], "data": output.tolist()}]}


serve.start(http_options={"host": "127.0.0.1", "port": port, "access_log": False})
serve.run(Model.bind(model), route_prefix="/")
while True:
    time.sleep(3600)
