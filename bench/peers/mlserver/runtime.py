"""A custom MLServer runtime over ONNX Runtime, as its documentation has them."""
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxModel(MLModel):
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        path = self.settings.parameters.uri
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.names = [output.name for output in self.session.get_outputs()]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        asked = payload.inputs[0]
        rows = NumpyCodec.decode_input(asked)
        results = self.session.run(self.names, {asked.name: rows})
        outputs = [NumpyCodec.encode_output(name, result) for name, result in zip(self.names, results)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
