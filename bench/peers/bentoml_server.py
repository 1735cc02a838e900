"""BentoML with a batchable endpoint. Served by `bentoml serve bentoml_server:Model`; MODEL names the file."""
import os

import bentoml
import numpy
import onnxruntime


@bentoml.service(workers=1, metrics={"enabled": False}, traffic={"timeout": 10, "max_concurrency": 1000})
class Model:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        self.names = [output.name for output in self.session.get_outputs()]

    @bentoml.api(route="/infer", batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=1000)
    def infer(self, rows: numpy.ndarray) -> numpy.ndarray:
        return self.session.run(self.names, {"x": rows.astype(numpy.float32)})[0]
