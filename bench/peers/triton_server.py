"""Triton from nvidia-pytriton, its own dynamic batcher before ONNX Runtime in Python. Usage: triton_server.py MODEL PORT"""
import sys

import numpy
import onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
output = session.get_outputs()[0]


@batch
def run(x):
    return {output.name: session.run([output.name], {"x": x})[0]}


if __name__ == "__main__":
    port = int(sys.argv[2])
    config = TritonConfig(http_address="127.0.0.1", http_port=port, grpc_port=port + 1, metrics_port=port + 2, allow_metrics=False)
    with Triton(config=config) as triton:
        triton.bind(
            model_name="m",
            infer_func=run,
            inputs=[Tensor(name="x", dtype=numpy.float32, shape=(30,))],
            outputs=[Tensor(name=output.name, dtype=numpy.float32, shape=(output.shape[-1],))],
            config=ModelConfig(max_batch_size=64, batcher=DynamicBatcher(max_queue_delay_microseconds=500)),
            strict=False,
        )
        triton.serve()
