"""Trains a model of scikit-learn and exports it to ONNX. Started by `portolan adopt`; it is yours to change.

The trainer contract (docs/training.md): the environment names a Parquet file (PORTOLAN_TRAINING_SET), a JSON file with params,
features, label and seed (PORTOLAN_PARAMS) and a folder for model.onnx and metrics.json (PORTOLAN_OUTPUT). The params are those of
the estimator. It keeps no checkpoint: stopped, it starts anew.
"""
import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
# <imports>
from sklearn.metrics import log_loss, mean_absolute_error, roc_auc_score
from sklearn.pipeline import make_pipeline

spec = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())
output, features, label = Path(os.environ["PORTOLAN_OUTPUT"]), spec["features"], spec["label"]
table = parquet.read_table(os.environ["PORTOLAN_TRAINING_SET"], columns=[*features, label])
x = np.column_stack([table[name].to_numpy(zero_copy_only=False).astype(np.float32) for name in features])
y = table[label].to_numpy(zero_copy_only=False)

# Rows come in the order of time: the last fifth validates, as the future will. Everything is fitted on the part before it alone.
cut = int(len(y) * 0.8)
# <model>
model.fit(x[:cut], y[:cut])

metrics = {"training_rows": int(cut), "validation_rows": int(len(y) - cut)}
# <metrics>

onnx = to_onnx(
    model,
    initial_types=[("features", FloatTensorType([None, len(features)]))],
    # <options>
    target_opset={"": 17, "ai.onnx.ml": 3},
    name=label,
)
(output / "metrics.json").write_text(json.dumps(metrics))
part = output / "model.onnx.part"
part.write_bytes(onnx.SerializeToString(deterministic=True))
part.rename(output / "model.onnx")
