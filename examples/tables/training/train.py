"""Trains gradient-boosted trees on a table of numbers and exports them to ONNX.

The trainer contract: the environment names a Parquet file (PORTOLAN_TRAINING_SET), a JSON file with params, features, label and
seed (PORTOLAN_PARAMS), and an output folder, in which model.onnx and metrics.json are left. Parameters: rounds, learning_rate, and
positive_weight, what a row of the rarer class counts. Held-out rows are not here: the platform measures on them.
"""
import json
import os
import time
import urllib.request
from pathlib import Path

# One thread: a small table is trained sooner so where other work waits for the same cores, and to the same model.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow.parquet as parquet
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss


def main():
    spec = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())
    params, features, label = spec["params"], spec["features"], spec["label"]
    # Columns that are kept beside the features, such as who a row is about, are in the file too, and are not read.
    table = parquet.read_table(os.environ["PORTOLAN_TRAINING_SET"], columns=[*features, label])
    x = np.column_stack([table[name].to_numpy().astype(np.float32) for name in features])
    y = table[label].to_numpy().astype(np.int8)
    model = HistGradientBoostingClassifier(
        max_iter=params.get("rounds", 60),
        learning_rate=params.get("learning_rate", 0.1),
        early_stopping=False,
        random_state=spec["seed"],
    )
    model.fit(x, y, sample_weight=np.where(y == 1, params.get("positive_weight", 1), 1))
    scores = model.predict_proba(x)[:, 1]
    metrics = {"rows": len(y), "positive_share": float(y.mean()), "training_log_loss": float(log_loss(y, scores))}
    log(metrics, {**params, "seed": spec["seed"]})
    onnx = to_onnx(
        model,
        initial_types=[("features", FloatTensorType([None, len(features)]))],
        options={id(model): {"zipmap": False}},
        target_opset={"": 17, "ai.onnx.ml": 3},
        name="trees",
    )
    output = Path(os.environ["PORTOLAN_OUTPUT"])
    (output / "metrics.json").write_text(json.dumps(metrics))
    (output / "model.onnx").write_bytes(onnx.SerializeToString(deterministic=True))


def log(metrics, params):
    """Logs to the run by MLflow's REST API. Where that is away, training goes on without it."""
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        return
    now = int(time.time() * 1000)
    batch = {
        "run_id": os.environ["MLFLOW_RUN_ID"],
        "metrics": [{"key": key, "value": value, "timestamp": now, "step": 0} for key, value in metrics.items()],
        "params": [{"key": key, "value": str(value)} for key, value in params.items()],
    }
    headers = {"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/api/2.0/mlflow/runs/log-batch", json.dumps(batch).encode(), headers)
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except OSError as error:
        print(f"not logged: {error}", flush=True)


main()
