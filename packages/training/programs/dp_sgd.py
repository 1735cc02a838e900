"""Trains a logistic regression with differential privacy (DP-SGD) and exports it to ONNX.

The trainer contract is docs/training.md's; what the parameters mean, and what is promised, is in docs/differential-privacy.md. Each step
draws every row with probability sampling_rate, clips each row's gradient to clipping_norm, adds Gaussian noise of noise_multiplier times
that norm to the sum, and moves the weights. Portolan computes the privacy loss itself, from the parameters, for this very program alone:
a changed one trains, and nothing is said of its privacy.

Nothing but the model leaves that depends on what the rows say: no figure is measured on them, and features are scaled by ranges that are
stated, never by what was seen.
"""
import json
import os
import secrets
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as parquet
from onnx import TensorProto, helper, numpy_helper


def number(params, name, low, high):
    value = params.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise SystemExit(f"params.{name} is {value!r}, and has to be a number from {low} to {high}")
    return value


def ranges_of(params, features):
    """`age=18:95, spend=0:500`: by feature, in the order of the features."""
    stated = {}
    for part in str(params.get("ranges", "")).split(","):
        name, _, bounds = part.partition("=")
        low, _, high = bounds.partition(":")
        try:
            stated[name.strip()] = (float(low), float(high))
        except ValueError:
            raise SystemExit(f"params.ranges holds {part.strip()!r}, and each part has to be name=low:high") from None
    missing = [name for name in features if name not in stated]
    if missing:
        raise SystemExit(f"params.ranges lacks {', '.join(missing)}: state what is known without looking at the rows")
    pairs = np.array([stated[name] for name in features], dtype=np.float64)
    if not (np.isfinite(pairs).all() and (pairs[:, 0] < pairs[:, 1]).all()):
        raise SystemExit("params.ranges: low has to be below high")
    return pairs.mean(axis=1), (pairs[:, 1] - pairs[:, 0]) / 2


def scaled(rows, middle, half):
    """From -1 to 1, where what lies outside lies at the end; what is missing lies in the middle."""
    with np.errstate(invalid="ignore"):
        return np.clip(np.where(np.isnan(rows), 0.0, (rows - middle) / half), -1.0, 1.0)


def train(x, y, params, generator):
    rate, noise = params["sampling_rate"], params["noise_multiplier"]
    norm, speed = params["clipping_norm"], params["learning_rate"]
    inputs = np.column_stack([x, np.ones(len(x))])
    weights = np.zeros(inputs.shape[1])
    for _ in range(params["steps"]):
        drawn = generator.random(len(inputs)) < rate
        rows, labels = inputs[drawn], y[drawn]
        errors = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30))) - labels
        gradients = errors[:, None] * rows
        lengths = np.linalg.norm(gradients, axis=1)
        total = (gradients * np.minimum(1.0, norm / np.maximum(lengths, 1e-12))[:, None]).sum(axis=0)
        total += generator.normal(0.0, noise * norm, size=len(weights))
        # By how many rows are expected, never by how many were drawn.
        weights -= speed * total / max(1.0, rate * len(inputs))
    return weights


def to_onnx(weights, middle, half):
    def constant(name, values):
        return numpy_helper.from_array(np.asarray(values, dtype=np.float32), name)

    width = len(middle)
    constants = [
        constant("middle", middle), constant("half", half), constant("zero", 0.0), constant("low", -1.0), constant("high", 1.0),
        constant("weights", weights[:-1].reshape(width, 1)), constant("bias", weights[-1:]), constant("one", 1.0), constant("even", 0.5),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "columns"),
    ]
    nodes = [
        helper.make_node("Sub", ["features", "middle"], ["centred"]),
        helper.make_node("Div", ["centred", "half"], ["relative"]),
        helper.make_node("IsNaN", ["relative"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "relative"], ["filled"]),
        helper.make_node("Clip", ["filled", "low", "high"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "weights"], ["weighed"]),
        helper.make_node("Add", ["weighed", "bias"], ["odds"]),
        helper.make_node("Sigmoid", ["odds"], ["positive"]),
        helper.make_node("Sub", ["one", "positive"], ["negative"]),
        helper.make_node("Concat", ["negative", "positive"], ["probabilities"], axis=1),
        helper.make_node("Greater", ["positive", "even"], ["decided"]),
        helper.make_node("Cast", ["decided"], ["column"], to=TensorProto.INT64),
        helper.make_node("Squeeze", ["column", "columns"], ["label"]),
    ]
    graph = helper.make_graph(
        nodes, "dp-sgd",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, width])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def main():
    spec = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())
    output, given, features, label = Path(os.environ["PORTOLAN_OUTPUT"]), spec["params"], spec["features"], spec["label"]
    params = {
        "noise_multiplier": number(given, "noise_multiplier", 0.1, 1000),
        "sampling_rate": number(given, "sampling_rate", 1e-6, 1),
        "steps": int(number(given, "steps", 1, 1_000_000)),
        "clipping_norm": number(given, "clipping_norm", 1e-6, 1e6),
        "learning_rate": number(given, "learning_rate", 1e-6, 1e3),
    }
    if params["steps"] != given["steps"]:
        raise SystemExit("params.steps has to be whole")
    middle, half = ranges_of(given, features)
    table = parquet.read_table(os.environ["PORTOLAN_TRAINING_SET"], columns=[*features, label])
    rows = np.column_stack([table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in features])
    y = (table[label].to_numpy(zero_copy_only=False).astype(np.float64) > 0.5).astype(np.float64)
    # Whoever knows the seed can take the noise off: by default nobody does. A reproducible run is for trying, and is not private.
    seed = spec["seed"] if given.get("reproducible") is True else secrets.randbits(256)
    weights = train(scaled(rows, middle, half), y, params, np.random.Generator(np.random.PCG64(seed)))
    metrics = {"rows": len(y), "steps": params["steps"], "expected_rows_of_a_step": params["sampling_rate"] * len(y)}
    (output / "metrics.json").write_text(json.dumps(metrics))
    part = output / "model.onnx.part"
    part.write_bytes(to_onnx(weights, middle, half))
    part.rename(output / "model.onnx")


main()
