#!/usr/bin/env python3
"""Makes a smaller ONNX model of a float32 one, with the same inputs and outputs.

Usage: quantize.py MODEL OUTPUT --method dynamic-int8|static-int8|fp16 [--calibration ROWS.npy]

`static-int8` fixes the ranges of activations from rows of the training data (float32, one row a line of the array),
never from rows that the result is judged on. Prints one JSON object: method, bytes before and after, digests, tools.
Ends with 2 and a reason where there is nothing to gain or the request is wrong.

`portolan model quantize` runs it as a trainer, without arguments: the environment names the model (PORTOLAN_BASE_MODEL), the
rows that it learned from (PORTOLAN_TRAINING_SET, Parquet), a JSON file with params (method, calibration_rows) and features
(PORTOLAN_PARAMS), and the folder for model.onnx and metrics.json (PORTOLAN_OUTPUT).
"""
import argparse, hashlib, json, os, sys, tempfile
from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

METHODS = ["dynamic-int8", "static-int8", "fp16"]
WEIGHTED = {"MatMul", "Gemm", "Conv"}
QUANTIZED = {"MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv", "QGemm", "DynamicQuantizeMatMul"}
QUANTIZED |= {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}


def refuse(reason):
    print(f"quantize.py: {reason}", file=sys.stderr)
    sys.exit(2)


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def signature(model):
    """Names and element types of what a caller sees."""
    values = [*model.graph.input, *model.graph.output]
    return [(value.name, value.type.tensor_type.elem_type) for value in values]


def keep_shapes(made, model):
    """The tools write inferred shapes, with names of their own for open dimensions: the model's own are put back."""
    for ours, theirs in [(made.graph.input, model.graph.input), (made.graph.output, model.graph.output)]:
        del ours[:]
        ours.extend(theirs)


def read(path):
    try:
        content = path.read_bytes()
        return content, onnx.load_from_string(content)
    except OSError as error:
        refuse(f"{path}: {error.strerror}")
    except Exception as error:  # protobuf's own class of error differs by version
        refuse(f"{path} is no ONNX model: {error}")


def check(model):
    found = {node.op_type for node in model.graph.node}
    if found & QUANTIZED:
        refuse(f"the model is quantised already: it has {', '.join(sorted(found & QUANTIZED))}")
    halves = [one.name for one in model.graph.initializer if one.data_type == onnx.TensorProto.FLOAT16]
    if halves:
        refuse(f"the model holds float16 weights already, e.g. {halves[0]}: start from the float32 one")
    if not found & WEIGHTED:
        refuse(f"nothing to quantise: no MatMul, Gemm or Conv among {', '.join(sorted(found))} (trees have none)")


class Rows(CalibrationDataReader):
    """Calibration rows, a hundred at a time."""

    def __init__(self, name, rows):
        self.chunks = iter({name: rows[at : at + 100]} for at in range(0, len(rows), 100))

    def get_next(self):
        return next(self.chunks, None)


def check_calibration(model, rows):
    if rows is None:
        refuse("static-int8 needs --calibration: rows of the training data, never held-out ones")
    if len(model.graph.input) != 1:
        refuse(f"static-int8 takes models with one input; this one has {len(model.graph.input)}: use dynamic-int8")
    if rows.ndim < 2 or rows.dtype != numpy.float32 or len(rows) == 0 or not numpy.isfinite(rows).all():
        refuse(f"calibration needs float32 rows without NaN or infinity, found {rows.dtype} of shape {rows.shape}")


def rows_of_training_set(path, features, most):
    """At most so many of its rows, evenly spread over time, in the model's own order of columns; without those that lack a value."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path, columns=features)
    rows = numpy.column_stack([table[name].to_numpy(zero_copy_only=False).astype(numpy.float32) for name in features])
    rows = rows[numpy.isfinite(rows).all(axis=1)]
    return rows[numpy.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)] if len(rows) else rows


def quantize(model, source, target, method, calibration):
    if method == "fp16":
        half = convert_float_to_float16(model, keep_io_types=True)
        for weights in half.graph.initializer:
            # The converter leaves them as variable-length integers, of up to three bytes where two are enough.
            weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights), weights.name))
        onnx.save(half, target)
        return
    found = {node.op_type for node in model.graph.node}
    with tempfile.TemporaryDirectory() as folder:
        prepared = str(Path(folder) / "prepared.onnx")
        # Symbolic shapes are for transformers, and stop at operators of ai.onnx.ml.
        quant_pre_process(str(source), prepared, skip_symbolic_shape=True)
        if method == "dynamic-int8":
            # ONNX Runtime has no CPU kernel for ConvInteger with signed weights.
            weights = QuantType.QUInt8 if "Conv" in found else QuantType.QInt8
            quantize_dynamic(prepared, target, op_types_to_quantize=sorted(WEIGHTED), weight_type=weights)
            return
        check_calibration(model, calibration)
        quantize_static(
            prepared, target, Rows(model.graph.input[0].name, calibration), quant_format=QuantFormat.QDQ,
            op_types_to_quantize=sorted(WEIGHTED), activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )


def make(path, target, method, calibration):
    """Leaves the result at the target; gives the bytes of both."""
    source, model = read(path)
    check(model)
    quantize(model, path, target, method, calibration)
    result, original = onnx.load(target), onnx.load_from_string(source)
    if signature(result) != signature(original):
        target.unlink()
        refuse("the result has other inputs or outputs than the model")
    keep_shapes(result, original)
    made = result.SerializeToString(deterministic=True)
    target.write_bytes(made)
    return source, made


def train():
    spec = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())
    output, params = Path(os.environ["PORTOLAN_OUTPUT"]), spec["params"]
    method, most = params.get("method"), int(params.get("calibration_rows", 1000))
    if method not in METHODS:
        refuse(f"method is {method!r}, and none of {', '.join(METHODS)}")
    rows = None
    if method == "static-int8":
        rows = rows_of_training_set(os.environ["PORTOLAN_TRAINING_SET"], spec["features"], most)
    part = output / "model.onnx.part"
    source, made = make(Path(os.environ["PORTOLAN_BASE_MODEL"]), part, method, rows)
    metrics = {"bytes_before": len(source), "bytes_after": len(made), "calibration_rows": 0 if rows is None else len(rows)}
    (output / "metrics.json").write_text(json.dumps(metrics))
    part.rename(output / "model.onnx")


def main():
    parser = argparse.ArgumentParser(description="Makes a smaller ONNX model of a float32 one")
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--method", required=True, choices=METHODS)
    parser.add_argument("--calibration", type=Path)
    asked = parser.parse_args()
    if asked.calibration is not None and asked.method != "static-int8":
        refuse(f"{asked.method} takes no --calibration")
    rows, calibrated = None, None
    if asked.calibration is not None:
        rows = numpy.load(asked.calibration, allow_pickle=False)
        calibrated = {"rows": len(rows), "digest": digest(asked.calibration.read_bytes())}
    source, made = make(asked.model, asked.output, asked.method, rows)
    print(json.dumps({
        "method": asked.method,
        "from": {"digest": digest(source), "bytes": len(source)},
        "to": {"digest": digest(made), "bytes": len(made)},
        **({"calibration": calibrated} if calibrated else {}),
        "tools": {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__},
    }))


if __name__ == "__main__":
    train() if "PORTOLAN_BASE_MODEL" in os.environ else main()
