"""LitServe with its own batching and fast queue. Usage: litserve_server.py MODEL PORT"""
import sys

import litserve
import numpy
import onnxruntime


class Model(litserve.LitAPI):
    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
        self.names = [output.name for output in self.session.get_outputs()]

    def decode_request(self, request):
        asked = request["inputs"][0]
        return numpy.asarray(asked["data"], dtype=numpy.float32)

    def batch(self, inputs):
        return numpy.stack(inputs)

    def predict(self, rows):
        return self.session.run(self.names, {"x": rows})[0]

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"model_name": "m", "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, len(output)], "data": output.tolist()}]}


if __name__ == "__main__":
    api = Model(max_batch_size=64, batch_timeout=0.002, api_path="/v2/models/m/infer")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="error", generate_client_file=False, access_log=False)
