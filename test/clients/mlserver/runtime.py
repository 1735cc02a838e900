"""A custom MLServer runtime as its documentation has them: twice of each number, and texts in upper case."""
import numpy
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Doubler(MLModel):
    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        asked = payload.inputs[0]
        if asked.datatype == "BYTES":
            texts = [text.upper() for text in StringCodec.decode_input(asked)]
            output = StringCodec.encode_output("y", texts, use_bytes=False)
        else:
            rows = NumpyCodec.decode_input(asked)
            output = NumpyCodec.encode_output("y", numpy.asarray(rows * 2, dtype=rows.dtype))
        return InferenceResponse(model_name=self.name, outputs=[output])
