"""Trains a dense neural network with Keras on JAX and writes it as ONNX: a label that is true or false, or a number.

The trainer contract: the environment names a Parquet file (PORTOLAN_TRAINING_SET), a JSON file with params, features and label
(PORTOLAN_PARAMS), an output folder and a checkpoint folder. model.onnx and metrics.json are left in the output folder. A checkpoint is
kept after every epoch; on SIGTERM the program ends with the next one. Started again, it goes on from there and ends with the same model.
"""
import io
import json
import os
import signal
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
from onnx import TensorProto, helper, numpy_helper

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
import keras  # noqa: E402  it reads its backend from the environment

usual = {"task": "classification", "epochs": 20, "learning_rate": 0.001, "layers": 2, "units": 32, "batch_size": 256, "l2": 0.0, "pause_seconds": 0}

stopping = False


def stop(_signal, _frame):
    global stopping
    stopping = True


def main():
    signal.signal(signal.SIGTERM, stop)
    spec = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())
    output, checkpoints = Path(os.environ["PORTOLAN_OUTPUT"]), Path(os.environ["PORTOLAN_CHECKPOINT"])
    params = parameters(spec["params"])
    x, y = rows(os.environ["PORTOLAN_TRAINING_SET"], spec["features"], spec["label"], params["task"])
    # Rows come in the order of time: the last fifth validates, as the future will.
    cut = int(len(y) * 0.8)
    log({}, 0, {**params, "seed": spec["seed"], "rows": len(y)})
    model = fit(x[:cut], y[:cut], params, spec, checkpoints)
    metrics = {"training_rows": cut, "validation_rows": len(y) - cut, **measured(params["task"], y[cut:], predict(model, x[cut:]))}
    log(metrics, params["epochs"])
    onnx = export(model, params["task"])
    write(output / "model.onnx", onnx.SerializeToString(deterministic=True))
    write(output / "metrics.json", json.dumps(metrics).encode())


def parameters(given):
    """What was asked for over what is usual. A name that is not in `usual` is refused: a misspelt one would silently do nothing."""
    unknown = sorted(given.keys() - usual.keys())
    if unknown:
        sys.exit(f"unknown parameters {unknown}; there are {sorted(usual)}")
    if given.get("task", "classification") not in ("classification", "regression"):
        sys.exit("task is classification (of a label that is true or false) or regression")
    return {**usual, **given}


def rows(path, features, label, task):
    """The features as 32-bit floats, as the model is asked later, NaN where there is none, and the label."""
    table = parquet.read_table(path, columns=[*features, label])
    x = np.column_stack([table[name].to_numpy().astype(np.float32) for name in features])
    y = table[label].to_numpy().astype(np.float32)
    if np.isinf(x).any() or not np.isfinite(y).all():
        sys.exit("a feature is infinite, or a label is missing")
    if task == "classification" and not set(np.unique(y)) <= {0.0, 1.0}:
        sys.exit("the label has other values than true and false; for a number say task: regression")
    return x, y


def measured(task, y, said):
    """Of the validation rows: what the platform shows beside the version."""
    if task == "regression":
        return {"validation_mean_absolute_error": float(np.abs(said - y).mean())}
    tiny = np.finfo(float).eps
    p = np.clip(said.astype(float), tiny, 1 - tiny)
    metrics = {"validation_log_loss": float(-np.where(y == 1, np.log(p), np.log(1 - p)).mean())}
    positives = int(y.sum())
    if 0 < positives < len(y):
        # The area under the curve by ranks, ties by their mean rank.
        _, place, counts = np.unique(said, return_inverse=True, return_counts=True)
        ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
        metrics["validation_auc"] = float((ranks[y == 1].sum() - positives * (positives + 1) / 2) / (positives * (len(y) - positives)))
    return metrics


def fit(x, y, params, spec, checkpoints):
    """
    Rows are shuffled by the seed and the epoch alone, and the optimiser's state is in the checkpoint: so an epoch does the same in a run that
    was interrupted and in one that was not.
    """
    keras.utils.set_random_seed(spec["seed"])
    # The scale of the rows that are learned from; a missing value counts as the mean. Both are part of the model.
    mean, scale = (np.nan_to_num(of(x, axis=0)).astype(np.float32) for of in (np.nanmean, np.nanstd))
    scale = np.where(scale > 0, scale, 1).astype(np.float32)
    network = build(x.shape[1], params)
    scaled = standardised(x, mean, scale)
    done, state = resume(checkpoints, spec)
    if state is not None:
        load(network, state)
    while done < params["epochs"]:
        order = np.random.default_rng([spec["seed"], done]).permutation(len(y))
        network.fit(scaled[order], y[order], batch_size=params["batch_size"], shuffle=False, verbose=0)
        done += 1
        save(checkpoints, spec, done, kept(network))
    return network, mean, scale


def build(columns, params):
    regression = params["task"] == "regression"
    penalty = keras.regularizers.L2(params["l2"]) if params["l2"] else None
    hidden = [keras.layers.Dense(params["units"], activation="relu", kernel_regularizer=penalty) for _ in range(params["layers"])]
    last = keras.layers.Dense(1, activation=None if regression else "sigmoid")
    network = keras.Sequential([keras.Input((columns,)), *hidden, last])
    loss = "mean_squared_error" if regression else "binary_crossentropy"
    network.compile(keras.optimizers.Adam(params["learning_rate"]), loss)
    network.optimizer.build(network.trainable_variables)
    return network


def kept(network):
    """Weights and the optimiser's state, as bytes."""
    file = io.BytesIO()
    np.savez(file, *[np.asarray(variable) for variable in (*network.weights, *network.optimizer.variables)])
    return file.getvalue()


def load(network, state):
    arrays = np.load(io.BytesIO(state))
    for variable, name in zip((*network.weights, *network.optimizer.variables), arrays.files):
        variable.assign(arrays[name])


def standardised(x, mean, scale):
    return np.where(np.isnan(x), np.float32(0), (x - mean) / scale)


def predict(model, x):
    """The number, or the probability of true."""
    network, mean, scale = model
    return network.predict(standardised(x, mean, scale), batch_size=4096, verbose=0)[:, 0]


def export(model, task):
    """Standardise, then a product and a ReLU for each layer. Keras's own export to ONNX needs TensorFlow or PyTorch."""
    network, mean, scale = model
    dense = [layer.get_weights() for layer in network.layers]
    constants = {"mean": mean, "scale": scale, "zero": np.float32(0)}
    nodes = [
        helper.make_node("Sub", ["features", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "scaled"], ["layer0"]),
    ]
    for at, (kernel, bias) in enumerate(dense):
        constants |= {f"kernel{at}": kernel, f"bias{at}": bias}
        result = "variable" if at == len(dense) - 1 else f"sum{at}"
        nodes.append(helper.make_node("Gemm", [f"layer{at}", f"kernel{at}", f"bias{at}"], [result]))
        if at < len(dense) - 1:
            nodes.append(helper.make_node("Relu", [result], [f"layer{at + 1}"]))
    outputs = [helper.make_tensor_value_info("variable", TensorProto.FLOAT, [None, 1])]
    if task == "classification":
        nodes += probabilities()
        constants |= {"one": np.float32(1), "half": np.float32(0.5), "axes": np.array([1], np.int64)}
        outputs = [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    x = helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, len(mean)])
    graph = helper.make_graph(nodes, "keras", [x], outputs, tensors)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def probabilities():
    """Of both classes, and the likelier one."""
    return [
        helper.make_node("Sigmoid", ["variable"], ["positive"]),
        helper.make_node("Sub", ["one", "positive"], ["negative"]),
        helper.make_node("Concat", ["negative", "positive"], ["probabilities"], axis=1),
        helper.make_node("Squeeze", ["positive", "axes"], ["score"]),
        helper.make_node("Greater", ["score", "half"], ["isTrue"]),
        helper.make_node("Cast", ["isTrue"], ["label"], to=TensorProto.INT64),
    ]



def log(metrics, step, params=None):
    """Tells the run what is seen, as MLflow's client would. A run that cannot be told trains all the same."""
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        return
    now = int(time.time() * 1000)
    batch = {
        "run_id": os.environ["MLFLOW_RUN_ID"],
        "metrics": [{"key": key, "value": value, "timestamp": now, "step": step} for key, value in metrics.items()],
        "params": [{"key": key, "value": str(value)} for key, value in (params or {}).items()],
    }
    headers = {"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/api/2.0/mlflow/runs/log-batch", json.dumps(batch).encode(), headers)
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except OSError as error:
        print(f"not logged: {error}", flush=True)


def resume(folder, spec):
    """What a checkpoint kept, if it was made for the very same task: (units of work done, bytes), or nothing done."""
    path = folder / "checkpoint"
    if path.exists():
        head, _, state = path.read_bytes().partition(b"\n")
        kept = json.loads(head)
        if kept["spec"] == spec:
            print(f"resumed at {kept['done']}", flush=True)
            return kept["done"], state
    return 0, None


def save(folder, spec, done, state):
    write(folder / "checkpoint", json.dumps({"spec": spec, "done": done}).encode() + b"\n" + state)
    print(f"checkpoint at {done}", flush=True)
    if stopping:
        print("stopped; a checkpoint is kept", flush=True)
        sys.exit(75)
    # For whoever wants to try what happens when it is stopped.
    time.sleep(spec["params"].get("pause_seconds", 0))


def write(path, data):
    """Whole or not at all: a reader never finds half a file."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.rename(path)


if __name__ == "__main__":
    main()
