#!/usr/bin/env python3
"""Trains a feed-forward ONNX model on with the error of its quantisation in view, and writes it with 4-bit or 8-bit weights.

Usage: quantize_aware.py MODEL OUTPUT --rows ROWS.npy --labels LABELS.npy [--bits 4|8] [--epochs 40] [--seed 7]

For models of which `quantize.py` (8 bits) or rounding alone (4 bits) loses too much. Weights and activations are rounded in each forward pass
(fake quantisation), gradients pass the rounding as if it were not there where a value lies within its range (the straight-through estimator), and Adam
moves the float weights behind them. Weights are symmetric with a scale for each output; activations have 8 bits, their ranges are those of the rows.
ROWS (float32) and LABELS (whole numbers, the model's classes by place) are of the training data, never rows that the result is judged on; a tenth of them
chooses the epoch that is kept, and epoch 0, rounding alone, may be it.

The model: MatMul or Gemm, bias and Relu, one after the other from its one input, and a softmax; what comes after that stays as it is. A trainer as
`quantize.py`, too: PORTOLAN_BASE_MODEL, PORTOLAN_TRAINING_SET (with a column `label`), PORTOLAN_PARAMS (bits, epochs, seed), PORTOLAN_OUTPUT.
Prints one JSON object; ends with 2 and a reason where it refuses. The same rows and seed give the same bytes on the same machine.
"""
import argparse, hashlib, json, os, sys
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

PASSED = {"Cast", "Identity"}
BATCH, RATE = 32, 2e-3
INT4_OPSET = 21


def refuse(reason):
    print(f"quantize_aware.py: {reason}", file=sys.stderr)
    sys.exit(2)


class Layer:
    """One MatMul or Gemm with its bias; `weight` is inputs by outputs."""

    def __init__(self, node, bias_node, weight, bias, is_relu):
        self.node, self.bias_node, self.is_relu = node, bias_node, is_relu
        self.weight, self.bias = weight.astype(numpy.float64), bias.astype(numpy.float64)


def read_layers(model):
    """The layers from the input to the softmax, in their order."""
    graph = model.graph
    if len(graph.input) != 1:
        refuse(f"the model has {len(graph.input)} inputs, and this takes one")
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    at, layers = graph.input[0].name, []
    while True:
        followers = [node for node in graph.node if at in node.input]
        if len(followers) != 1:
            refuse(f"{at} goes to {len(followers)} nodes, and this takes one after the other")
        node = followers[0]
        if node.op_type == "Softmax" and layers:
            return layers
        if node.op_type == "Relu" and layers and not layers[-1].is_relu:
            layers[-1].is_relu = True
        elif node.op_type in ("MatMul", "Gemm") and node.input[0] == at:
            layers.append(read_layer(node, constants))
        elif node.op_type == "Add" and layers and layers[-1].bias_node is None and not layers[-1].is_relu:
            name = next(one for one in node.input if one != at)
            if name not in constants or constants[name].size != layers[-1].weight.shape[1]:
                refuse(f"{name} is no bias of {layers[-1].weight.shape[1]} outputs")
            layers[-1].bias_node, layers[-1].bias = node, constants[name].reshape(-1).astype(numpy.float64)
        elif node.op_type not in PASSED:
            refuse(f"{node.op_type} is not among MatMul, Gemm, Add, Relu and Softmax: use quantize.py")
        at = node.output[0]


def read_layer(node, constants):
    if node.input[1] not in constants:
        refuse(f"the weights {node.input[1]} are computed, and this takes constants")
    weight = constants[node.input[1]]
    if weight.dtype != numpy.float32 or weight.ndim != 2:
        refuse(f"the weights {node.input[1]} are {weight.dtype} of shape {weight.shape}, and this takes float32 matrices")
    options = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    if options.get("alpha", 1) != 1 or options.get("beta", 1) != 1 or options.get("transA", 0):
        refuse("a Gemm with factors, or of a transposed input, is not taken")
    weight = weight.T if options.get("transB", 0) else weight
    has_bias = node.op_type == "Gemm" and len(node.input) > 2
    if has_bias and node.input[2] not in constants:
        refuse(f"the bias {node.input[2]} is computed, and this takes constants")
    bias = constants[node.input[2]].reshape(-1) if has_bias else numpy.zeros(weight.shape[1])
    if has_bias and bias.size == 1:
        bias = numpy.repeat(bias, weight.shape[1])
    return Layer(node, node if has_bias else None, weight, bias, False)


class Ranges:
    """The 8-bit grid of each layer's input: zero is on it, as ONNX Runtime wants it."""

    def __init__(self, layers, rows):
        self.grids, value = [], rows
        for layer in layers:
            low, high = min(0.0, value.min()), max(0.0, value.max())
            scale = max((high - low) / 255, 1e-12)
            self.grids.append((numpy.float32(scale), int(round(-low / scale))))
            value = value @ layer.weight + layer.bias
            value = numpy.maximum(value, 0) if layer.is_relu else value

    def rounded(self, index, value):
        """On the grid, and whether it lay within it."""
        scale, zero = float(self.grids[index][0]), self.grids[index][1]
        place = numpy.rint(value / scale) + zero
        return (numpy.clip(place, 0, 255) - zero) * scale, (place >= 0) & (place <= 255)


def weight_grid(weight, bits):
    """A scale for each output, and the whole numbers on it."""
    most = 2 ** (bits - 1) - 1
    scale = (numpy.maximum(numpy.abs(weight).max(axis=0), 1e-12) / most).astype(numpy.float32)
    return scale, numpy.clip(numpy.rint(weight / scale), -most, most)


def forward(layers, ranges, bits, rows):
    """Probabilities, and what the way back needs of each layer."""
    value, kept = rows, []
    for index, layer in enumerate(layers):
        value, within = ranges.rounded(index, value)
        scale, whole = weight_grid(layer.weight, bits)
        rounded = whole * scale
        score = value @ rounded + layer.bias
        kept.append((value, within, rounded, score > 0))
        value = numpy.maximum(score, 0) if layer.is_relu else score
    value = numpy.exp(value - value.max(axis=1, keepdims=True))
    return value / value.sum(axis=1, keepdims=True), kept


def gradients(layers, probabilities, kept, labels):
    """Of the mean cross-entropy, by layer: weights and bias."""
    error = probabilities.copy()
    error[numpy.arange(len(labels)), labels] -= 1
    error /= len(labels)
    found = [None] * len(layers)
    for index in reversed(range(len(layers))):
        value, within, rounded, positive = kept[index]
        if layers[index].is_relu:
            error = error * positive
        found[index] = (value.T @ error, error.sum(axis=0))
        error = (error @ rounded.T) * within
    return found


class Adam:
    """Kingma and Ba, with their own constants; the rate falls to nothing along a cosine."""

    def __init__(self, layers, steps):
        self.steps, self.at = steps, 0
        self.moments = [[numpy.zeros((2, *one.shape)) for one in (layer.weight, layer.bias)] for layer in layers]

    def step(self, layers, found):
        self.at += 1
        rate = RATE * (1 + numpy.cos(numpy.pi * self.at / self.steps)) / 2
        for layer, moments, grads in zip(layers, self.moments, found):
            for name, moment, grad in zip(("weight", "bias"), moments, grads):
                moment[0] = 0.9 * moment[0] + 0.1 * grad
                moment[1] = 0.999 * moment[1] + 0.001 * grad**2
                mean, spread = moment[0] / (1 - 0.9**self.at), moment[1] / (1 - 0.999**self.at)
                setattr(layer, name, getattr(layer, name) - rate * mean / (numpy.sqrt(spread) + 1e-8))


def loss_of(layers, ranges, bits, rows, labels):
    probabilities, _ = forward(layers, ranges, bits, rows)
    return float(-numpy.log(numpy.maximum(probabilities[numpy.arange(len(labels)), labels], 1e-12)).mean())


def fine_tune(layers, rows, labels, bits, epochs, seed):
    """Leaves the layers as they were in the epoch that the choosing tenth likes best; gives its number and the ranges."""
    rows = rows.astype(numpy.float64)
    generator = numpy.random.default_rng(seed)
    order = generator.permutation(len(rows))
    choosing, learning = order[: len(rows) // 10], order[len(rows) // 10 :]
    adam = Adam(layers, max(1, epochs * -(-len(learning) // BATCH)))
    ranges = Ranges(layers, rows)
    best = (loss_of(layers, ranges, bits, rows[choosing], labels[choosing]), 0, ranges, copies(layers))
    for epoch in range(1, epochs + 1):
        shuffled = generator.permutation(learning)
        for start in range(0, len(shuffled), BATCH):
            batch = shuffled[start : start + BATCH]
            probabilities, kept = forward(layers, ranges, bits, rows[batch])
            adam.step(layers, gradients(layers, probabilities, kept, labels[batch]))
        ranges = Ranges(layers, rows)
        loss = loss_of(layers, ranges, bits, rows[choosing], labels[choosing])
        print(f"epoch {epoch}/{epochs}: log loss {loss:.4f}", file=sys.stderr, flush=True)
        if loss < best[0]:
            best = (loss, epoch, ranges, copies(layers))
    for layer, (weight, bias) in zip(layers, best[3]):
        layer.weight, layer.bias = weight, bias
    return best[1], best[2]


def copies(layers):
    return [(layer.weight.copy(), layer.bias.copy()) for layer in layers]


def packed(whole, bits):
    """As ONNX keeps them: bytes, or two to a byte with the first one in its lower half."""
    values = whole.astype(numpy.int8).flatten()
    if bits == 8:
        return values.tobytes()
    nibbles = numpy.append(values, numpy.zeros(values.size % 2, numpy.int8)).view(numpy.uint8) & 15
    return (nibbles[::2] | nibbles[1::2] << 4).tobytes()


def write(model, layers, ranges, bits):
    """The same graph; each layer reads its input through an 8-bit grid, and its weights from whole numbers."""
    graph, gone = model.graph, set()
    kind = TensorProto.INT4 if bits == 4 else TensorProto.INT8
    for index, layer in enumerate(layers):
        node, before = layer.node, f"quantized_{index}"
        place = list(graph.node).index(node)
        scale, whole = weight_grid(layer.weight, bits)
        at_scale, at_zero = ranges.grids[index]
        graph.initializer.extend([
            helper.make_tensor(f"{before}_weight", kind, whole.shape, packed(whole, bits), raw=True),
            numpy_helper.from_array(scale, f"{before}_weight_scale"),
            numpy_helper.from_array(at_scale, f"{before}_scale"),
            numpy_helper.from_array(numpy.uint8(at_zero), f"{before}_zero"),
            numpy_helper.from_array(layer.bias.astype(numpy.float32), f"{before}_bias"),
        ])
        grid = [f"{before}_scale", f"{before}_zero"]
        weight = [f"{before}_weight", f"{before}_weight_scale"]
        made = [
            helper.make_node("QuantizeLinear", [node.input[0], *grid], [f"{before}_whole"]),
            helper.make_node("DequantizeLinear", [f"{before}_whole", *grid], [f"{before}_input"]),
            helper.make_node("DequantizeLinear", weight, [f"{before}_weights"], axis=1),
            helper.make_node("MatMul", [f"{before}_input", f"{before}_weights"], [f"{before}_product"]),
        ]
        ends_with = layer.bias_node or node
        made.append(helper.make_node("Add", [f"{before}_product", f"{before}_bias"], list(ends_with.output)))
        gone.update(name for one in (node, ends_with) for name in one.input)
        for one in {id(node): node, id(ends_with): ends_with}.values():
            graph.node.remove(one)
        for offset, one in enumerate(made):
            graph.node.insert(place + offset, one)
    read = {name for node in graph.node for name in node.input}
    for one in [one for one in graph.initializer if one.name in gone and one.name not in read]:
        graph.initializer.remove(one)
    for domain in model.opset_import:
        if domain.domain in ("", "ai.onnx"):
            domain.version = max(domain.version, INT4_OPSET if bits == 4 else 13)
    model.ir_version = max(model.ir_version, 10)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def check_rows(rows, labels, layers):
    inputs, classes = layers[0].weight.shape[0], layers[-1].weight.shape[1]
    if rows.dtype != numpy.float32 or rows.ndim != 2 or rows.shape[1] != inputs or not numpy.isfinite(rows).all():
        refuse(f"rows are to be float32 of {inputs} columns, all finite; these are {rows.dtype} of shape {rows.shape}")
    if labels.shape != (len(rows),) or not numpy.issubdtype(labels.dtype, numpy.integer):
        refuse(f"labels are to be {len(rows)} whole numbers; these are {labels.dtype} of shape {labels.shape}")
    if len(rows) < 100 or labels.min() < 0 or labels.max() >= classes:
        refuse(f"at least 100 rows of the classes 0 to {classes - 1} are needed; these are {len(rows)}, {labels.min()} to {labels.max()}")


def check_reading(model, layers, rows):
    """What was read of the graph is what it computes: its probabilities are ours, on a few rows."""
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.append(helper.make_tensor_value_info(softmax.output[0], TensorProto.FLOAT, None))
    theirs = ReferenceEvaluator(probe).run(None, {model.graph.input[0].name: rows[:50]})[0]
    value = rows[:50].astype(numpy.float64)
    for layer in layers:
        value = value @ layer.weight + layer.bias
        value = numpy.maximum(value, 0) if layer.is_relu else value
    value = numpy.exp(value - value.max(axis=1, keepdims=True))
    if not numpy.allclose(theirs, value / value.sum(axis=1, keepdims=True), atol=1e-4):
        refuse("the model computes something else than its layers say")


def make(content, rows, labels, bits, epochs, seed):
    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # protobuf's own class of error differs by version
        refuse(f"this is no ONNX model: {error}")
    layers = read_layers(model)
    check_rows(rows, labels, layers)
    check_reading(model, layers, rows)
    epoch, ranges = fine_tune(layers, rows, labels, bits, epochs, seed)
    return epoch, write(model, layers, ranges, bits)


def train():
    import pyarrow.parquet

    spec = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())
    output, params = Path(os.environ["PORTOLAN_OUTPUT"]), spec["params"]
    table = pyarrow.parquet.read_table(os.environ["PORTOLAN_TRAINING_SET"])
    columns = [table[name].to_numpy(zero_copy_only=False).astype(numpy.float32) for name in spec["features"]]
    rows, labels = numpy.column_stack(columns), table["label"].to_numpy(zero_copy_only=False)
    whole = numpy.isfinite(rows).all(axis=1)
    source = Path(os.environ["PORTOLAN_BASE_MODEL"]).read_bytes()
    bits, epochs, seed = int(params.get("bits", 8)), int(params.get("epochs", 40)), int(spec.get("seed") or 7)
    if bits not in (4, 8):
        refuse(f"bits are 4 or 8, not {bits}")
    epoch, made = make(source, rows[whole], labels[whole].astype(numpy.int64), bits, epochs, seed)
    (output / "model.onnx").write_bytes(made)
    metrics = {"bytes_before": len(source), "bytes_after": len(made), "epoch": epoch, "bits": bits}
    (output / "metrics.json").write_text(json.dumps(metrics))


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def main():
    parser = argparse.ArgumentParser(description="Trains a feed-forward ONNX model on with its quantisation in view")
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--bits", type=int, choices=(4, 8), default=4)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    try:
        source = asked.model.read_bytes()
        rows, labels = (numpy.load(path, allow_pickle=False) for path in (asked.rows, asked.labels))
    except (OSError, ValueError) as error:
        refuse(str(error))
    if asked.epochs < 0:
        refuse("epochs are 0 (rounding alone) or more")
    epoch, made = make(source, rows, labels, asked.bits, asked.epochs, asked.seed)
    asked.output.write_bytes(made)
    print(json.dumps({
        "method": f"aware-int{asked.bits}",
        "epoch": epoch,
        "from": {"digest": digest(source), "bytes": len(source)},
        "to": {"digest": digest(made), "bytes": len(made)},
        "rows": {"rows": len(rows), "digest": digest(asked.rows.read_bytes())},
    }))


if __name__ == "__main__":
    train() if "PORTOLAN_BASE_MODEL" in os.environ else main()
