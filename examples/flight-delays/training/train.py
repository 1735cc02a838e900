"""Trains the delay model: gradient-boosted trees, exported to ONNX.

The trainer contract: the environment names a Parquet file (PORTOLAN_TRAINING_SET), a JSON file with params, features and label
(PORTOLAN_PARAMS), an output folder and a checkpoint folder. model.onnx and metrics.json are left in the output folder. On SIGTERM
the work so far is kept as a checkpoint; started again, it goes on from there, and ends with the same model.
"""
import json
import os
import pickle
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score

STEP = 20  # boosting rounds between two checkpoints
stopping = False


def stop(_signal, _frame):
    global stopping
    stopping = True


def main():
    signal.signal(signal.SIGTERM, stop)
    spec = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())
    output, checkpoints = Path(os.environ["PORTOLAN_OUTPUT"]), Path(os.environ["PORTOLAN_CHECKPOINT"])
    params, features, label = spec["params"], spec["features"], spec["label"]
    table = parquet.read_table(os.environ["PORTOLAN_TRAINING_SET"], columns=[*features, label])
    x = np.column_stack([table[name].to_numpy().astype(np.float32) for name in features])
    y = table[label].to_numpy().astype(np.int8)
    # Rows come in the order of time: the last fifth validates, as the future will.
    cut = int(len(y) * 0.8)
    model = resume(checkpoints, spec) or HistGradientBoostingClassifier(
        learning_rate=params.get("learning_rate", 0.1),
        max_leaf_nodes=params.get("max_leaf_nodes", 31),
        early_stopping=False,
        warm_start=True,
        random_state=spec["seed"],
        max_iter=0,
    )
    rounds = params.get("rounds", 100)
    while model.max_iter < rounds:
        model.set_params(max_iter=min(model.max_iter + STEP, rounds))
        model.fit(x[:cut], y[:cut])
        save(checkpoints, spec, model)
        print(f"rounds {model.max_iter}/{rounds}", flush=True)
        if stopping:
            print("stopped; a checkpoint is kept", flush=True)
            sys.exit(75)
        time.sleep(params.get("pause_seconds", 0))
    finish(output, model, x, y, cut, features)


def finish(output, model, x, y, cut, features):
    scores = model.predict_proba(x[cut:])[:, 1]
    metrics = {
        "validation_rows": int(len(y) - cut),
        "training_rows": int(cut),
        "validation_auc": float(roc_auc_score(y[cut:], scores)),
        "validation_log_loss": float(log_loss(y[cut:], scores)),
        "positive_share": float(y[:cut].mean()),
    }
    onnx = to_onnx(
        model,
        initial_types=[("features", FloatTensorType([None, len(features)]))],
        options={id(model): {"zipmap": False}},
        target_opset={"": 17, "ai.onnx.ml": 3},
        name="flight-delays",
    )
    for name, data in (("model.onnx", onnx.SerializeToString(deterministic=True)), ("metrics.json", json.dumps(metrics).encode())):
        part = output / f"{name}.part"
        part.write_bytes(data)
        part.rename(output / name)


def resume(folder, spec):
    """The model of a checkpoint, if it was made for the very same task."""
    path = folder / "model.pickle"
    if not path.exists():
        return None
    kept = pickle.loads(path.read_bytes())
    if kept["spec"] != spec:
        return None
    print(f"resumed at {kept['model'].max_iter} rounds", flush=True)
    return kept["model"]


def save(folder, spec, model):
    part = folder / "model.pickle.part"
    part.write_bytes(pickle.dumps({"spec": spec, "model": model}))
    part.rename(folder / "model.pickle")


main()
