"""Trains gradient-boosted trees with XGBoost and writes them as ONNX: a label that is true or false, or a number.

The trainer contract: the environment names a Parquet file (PORTOLAN_TRAINING_SET), a JSON file with params, features and label
(PORTOLAN_PARAMS), an output folder and a checkpoint folder. model.onnx and metrics.json are left in the output folder. A checkpoint is
kept after every twenty rounds; on SIGTERM the program ends with the next one. Started again, it goes on from there and ends with the same model.
"""
import json
import os
import signal
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import xgboost
from onnx import TensorProto, helper

STEP = 20  # boosting rounds between two checkpoints
usual = {"task": "classification", "rounds": 100, "learning_rate": 0.1, "max_depth": 6, "min_child_weight": 1.0, "lambda": 1.0, "alpha": 0.0, "gamma": 0.0, "pause_seconds": 0}

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
    log(metrics, params["rounds"])
    onnx = export(model, params["task"], len(spec["features"]))
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
    Every stretch of rounds starts from the bytes of the one before, in a run that nothing interrupts too: so one that was interrupted does the
    same. No parameter draws at random; what does (subsample, colsample_*) would start anew with each stretch.
    """
    rounds, task = params["rounds"], params["task"]
    told = {name: value for name, value in params.items() if name not in ("task", "rounds", "pause_seconds")}
    told |= {"objective": "reg:squarederror" if task == "regression" else "binary:logistic", "tree_method": "hist", "seed": spec["seed"], "verbosity": 1}
    told["nthread"] = int(os.environ.get("OMP_NUM_THREADS", "1"))
    data = xgboost.DMatrix(x, label=y)
    done, state = resume(checkpoints, spec)
    while done < rounds:
        start = None if state is None else xgboost.Booster(model_file=bytearray(state))
        booster = xgboost.train(told, data, num_boost_round=min(STEP, rounds - done), xgb_model=start)
        done, state = min(done + STEP, rounds), bytes(booster.save_raw("ubj"))
        save(checkpoints, spec, done, state)
    return xgboost.Booster(model_file=bytearray(state))


def predict(model, x):
    """The number, or the probability of true."""
    return model.predict(xgboost.DMatrix(x))


def export(model, task, columns):
    """
    From the booster's own numbers, which are 32-bit floats as the features are. XGBoost sends a row to the left where its value is less than
    the threshold, and one without a value where `default_left` says.
    """
    learner = json.loads(bytes(model.save_raw("json")))["learner"]
    trees = []
    for tree in learner["gradient_booster"]["model"]["trees"]:
        if any(tree["split_type"]):
            sys.exit("splits on categories are not written as ONNX")
        left, right, split, value = tree["left_children"], tree["right_children"], tree["split_indices"], tree["split_conditions"]
        trees.append([
            value[at] if left[at] < 0 else (split[at], value[at], left[at], right[at], int(tree["default_left"][at]))
            for at in range(len(left))
        ])
    # Since version 3 a list in text; of a classifier it is a probability.
    base = float(np.atleast_1d(json.loads(learner["learner_model_param"]["base_score"]))[0])
    return ensemble(trees, columns, task, base if task == "regression" else float(np.log(base / (1 - base))), "BRANCH_LT")


def ensemble(trees, columns, task, base, mode):
    """
    Trees as one ONNX operator of `ai.onnx.ml`. A tree is a list of nodes: a leaf is a number, any other node is (column, threshold, the
    place of the child where the comparison holds, that of the other one, whether NaN counts as a comparison that holds).
    """
    nodes = {name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing_value_tracks_true")}
    leaves = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for number, tree in enumerate(trees):
        for place, node in enumerate(tree):
            inner = isinstance(node, tuple)
            row = (number, place, *((node[0], node[1], mode, *node[2:]) if inner else (0, 0.0, "LEAF", 0, 0, 0)))
            for values, value in zip(nodes.values(), row):
                values.append(value)
            if not inner:
                for values, value in zip(leaves.values(), (number, place, 0, float(node))):
                    values.append(value)
    operator, votes = ("TreeEnsembleRegressor", "target") if task == "regression" else ("TreeEnsembleClassifier", "class")
    given = {**{f"nodes_{name}": values for name, values in nodes.items()}, **{f"{votes}_{name}": values for name, values in leaves.items()}}
    given["nodes_values"] = [float(value) for value in nodes["values"]]
    x = helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, columns])
    if task == "regression":
        made = helper.make_node(operator, ["features"], ["variable"], domain="ai.onnx.ml", n_targets=1, base_values=[base], **given)
        outputs = [helper.make_tensor_value_info("variable", TensorProto.FLOAT, [None, 1])]
    else:
        # Where no leaf is negative ONNX Runtime labels by scores above 0.5, and not above 0: the first tree and the base share otherwise then.
        shift = 0.0 if min(leaves["weights"]) < 0 else 1.0 + max(leaves["weights"])
        given["class_weights"] = [weight - (shift if tree == 0 else 0.0) for tree, weight in zip(leaves["treeids"], leaves["weights"])]
        made = helper.make_node(
            operator, ["features"], ["label", "probabilities"], domain="ai.onnx.ml",
            base_values=[base + shift], classlabels_int64s=[0, 1], post_transform="LOGISTIC", **given,
        )
        outputs = [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ]
    graph = helper.make_graph([made], "xgboost", [x], outputs)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])



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
