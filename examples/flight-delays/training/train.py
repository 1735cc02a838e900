"""Trains the delay model: gradient-boosted trees, exported to ONNX.

The trainer contract: the environment names a Parquet file (PORTOLAN_TRAINING_SET), a JSON file with params, features and label
(PORTOLAN_PARAMS), an output folder and a checkpoint folder. model.onnx and metrics.json are left in the output folder. On SIGTERM
the work so far is kept as a checkpoint; started again, it goes on from there, and ends with the same model. What it sees on the
way is logged to the run (MLFLOW_TRACKING_URI, MLFLOW_RUN_ID, MLFLOW_TRACKING_TOKEN), as MLflow's own client would.
"""
import json
import os
import pickle
import signal
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score

STEP = 20  # boosting rounds between two checkpoints
SCORED = 5_000  # rows, about, that the curve over the rounds is measured on
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
    log({}, 0, {**params, "seed": spec["seed"], "rows": len(y)})
    scored = slice(cut, None, max(1, (len(y) - cut) // SCORED))
    while model.max_iter < rounds:
        model.set_params(max_iter=min(model.max_iter + STEP, rounds))
        model.fit(x[:cut], y[:cut])
        save(checkpoints, spec, model)
        loss = log_loss(y[scored], model.predict_proba(x[scored])[:, 1])
        log({"sampled_log_loss": float(loss)}, model.max_iter)
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
    log(metrics, model.max_iter)
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


def log(metrics, step, params=None):
    """Logs to the run by MLflow's REST API. Where that is away, training goes on without it."""
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
