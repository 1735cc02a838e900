"""A small network on scikit-learn's handwritten digits (1,797 real ones), and what 4 bits make of it. Arguments: folder, width of its two layers, seed.

Leaves network.onnx, rows.npy and labels.npy (1,000 to learn from), and `rounded.onnx`, by ONNX Runtime's own tools with 4-bit weights and no training. Prints the
797 held-out rows, their labels, and by how much the gradients of quantize_aware.py differ from central differences where nothing is rounded.
"""
import importlib.util, json, sys, warnings
from pathlib import Path

import numpy
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

warnings.filterwarnings("ignore")
folder, width, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
program = Path(__file__).resolve().parents[3] / "examples/quantization/quantize_aware.py"
spec = importlib.util.spec_from_file_location("quantize_aware", program)
aware = importlib.util.module_from_spec(spec)
spec.loader.exec_module(aware)

rows, labels = load_digits(return_X_y=True)
rows = (rows / 16).astype(numpy.float32)
train, held_out, train_labels, held_out_labels = train_test_split(
    rows, labels, test_size=797, random_state=1, stratify=labels
)
network = MLPClassifier((width, width), max_iter=200, random_state=seed).fit(train, train_labels)
exported = to_onnx(network, train[:1], options={id(network): {"zipmap": False}}, target_opset=17)
(folder / "network.onnx").write_bytes(exported.SerializeToString())
numpy.save(folder / "rows.npy", train)
numpy.save(folder / "labels.npy", train_labels)


class Rows(CalibrationDataReader):
    def __init__(self):
        self.chunks = iter([{"X": train}])

    def get_next(self):
        return next(self.chunks, None)


next(one for one in exported.opset_import if one.domain == "").version = 21
(folder / "opset21.onnx").write_bytes(exported.SerializeToString())
quantize_static(
    folder / "opset21.onnx", folder / "rounded.onnx", Rows(), quant_format=QuantFormat.QDQ, per_channel=True,
    op_types_to_quantize=["MatMul"], activation_type=QuantType.QUInt8, weight_type=QuantType.QInt4,
)


def difference():
    """Of each layer's weights and biases the middle one of twenty, for a difference may see a kink of Relu; the largest of these."""
    generator = numpy.random.default_rng(seed)
    layers = aware.read_layers(exported)
    some, classes = train[:64].astype(numpy.float64), train_labels[:64]
    ranges = aware.Ranges(layers, some)
    # Twice as wide, so that no value lies at their ends.
    ranges.grids = [(2 * scale, zero) for scale, zero in ranges.grids]
    rint, numpy.rint = numpy.rint, lambda value: value
    found = aware.gradients(layers, *aware.forward(layers, ranges, 8, some), classes)
    most = 0.0
    for layer, grads in zip(layers, found):
        for values, grad in zip((layer.weight, layer.bias), grads):
            differences = []
            for place in generator.integers(values.size, size=20):
                before, losses = values.flat[place], []
                for step in (1e-6, -1e-6):
                    values.flat[place] = before + step
                    losses.append(aware.loss_of(layers, ranges, 8, some, classes))
                values.flat[place] = before
                differences.append(abs((losses[0] - losses[1]) / 2e-6 - grad.flat[place]))
            most = max(most, float(numpy.median(differences)))
    numpy.rint = rint
    return most


print(json.dumps({"name": "held out", "value": held_out.tolist()}))
print(json.dumps({"name": "labels", "value": held_out_labels.tolist()}))
print(json.dumps({"name": "gradients", "value": difference()}))
