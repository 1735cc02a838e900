"""What the framework itself says of rows that are hard to get right, beside the ONNX that a shipped trainer writes.

Usage: parity.py rows FOLDER           writes training rows (rows.parquet)
       parity.py models TRAIN.PY FOLDER   writes NAME.onnx, NAME.rows (32-bit floats) and NAME.said (64-bit) for several models
"""
import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.dont_write_bytecode = True  # what lies beside the program is shipped
COLUMNS = 5
random = np.random.default_rng(20_261_127)


def table(size, missing):
    x = random.normal(size=(size, COLUMNS)).astype(np.float32)
    x[:, 2] = np.round(x[:, 2] * 2)
    x[:, 3] = random.integers(0, 5, size=size)
    known = x[:, 0] + x[:, 1] ** 2 - 1
    if missing:
        x[random.random(x.shape) < 0.1] = np.nan
    number = (known + 2 * np.isnan(x[:, 1]) + random.normal(size=size) * 0.3).astype(np.float32)
    return x, number


def write_rows(folder):
    import pyarrow
    import pyarrow.parquet as parquet

    x, number = table(4000, True)
    columns = {f"f{at}": pyarrow.array(x[:, at], from_pandas=True) for at in range(COLUMNS)}
    parquet.write_table(pyarrow.table({**columns, "late": number > 0, "wait": number}), folder / "rows.parquet")


def write_models(program, folder):
    spec = importlib.util.spec_from_file_location("train", program)
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    for name, task, missing, few in (
        ("holes", "classification", True, False),
        ("whole", "classification", False, False),
        ("number", "regression", True, False),
        ("lopsided", "classification", True, True),
    ):
        is_network = "epochs" in train.usual
        if is_network and name in ("whole", "lopsided"):
            continue  # those are traps of trees
        x, number = table(3000, missing)
        # Some more true than false, and one short step: of LightGBM, which has the base in its first tree, no leaf is negative.
        y = number if task == "regression" else (number > (np.quantile(number, 0.43) if few else 0)).astype(np.float32)
        units = "epochs" if is_network else "rounds"
        params = train.parameters({"task": task, units: 1 if few else 4 if is_network else 60, **({"learning_rate": 0.001} if few else {})})
        with tempfile.TemporaryDirectory() as checkpoints:
            model = train.fit(x, y, params, {"seed": 7, "features": [], "params": params}, Path(checkpoints))
        onnx = train.export(model, task) if is_network else train.export(model, task, COLUMNS)
        asked = hard_rows(x, thresholds(onnx, model))
        (folder / f"{name}.onnx").write_bytes(onnx.SerializeToString(deterministic=True))
        (folder / f"{name}.rows").write_bytes(asked.tobytes())
        (folder / f"{name}.said").write_bytes(np.asarray(train.predict(model, asked), dtype=np.float64).tobytes())


def thresholds(onnx, model):
    """By column, in the framework's own precision: of LightGBM from its dump, else from the file."""
    found = []
    if type(model).__module__.startswith("lightgbm"):
        open_nodes = [tree["tree_structure"] for tree in model.dump_model()["tree_info"]]
        while open_nodes:
            node = open_nodes.pop()
            if "split_feature" in node:
                found.append((node["split_feature"], node["threshold"]))
                open_nodes += [node["left_child"], node["right_child"]]
        return found
    for node in onnx.graph.node:
        if node.op_type.startswith("TreeEnsemble"):
            given = {one.name: one for one in node.attribute}
            inner = [at for at, mode in enumerate(given["nodes_modes"].strings) if mode != b"LEAF"]
            found += [(given["nodes_featureids"].ints[at], given["nodes_values"].floats[at]) for at in inner]
    return found


def hard_rows(x, splits):
    """Random rows, rows with holes, and rows that have a threshold, or a neighbour of one, in its column."""
    def some(size):
        return x[random.integers(0, len(x), size)].copy()

    holes = some(1000)
    holes[random.random(holes.shape) < 0.4] = np.nan
    odd = some(300)
    odd[np.arange(300), random.integers(0, COLUMNS, 300)] = random.choice(np.array([0.0, -0.0, 1e-36, -1e-36, 1e-30, 3e38, -3e38], np.float32), 300)
    parts = [some(500), holes, odd]
    for column, threshold in splits:
        near = np.float32(np.clip(threshold, -3e38, 3e38))
        rows = some(3)
        rows[:, column] = [near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))]
        parts.append(rows)
    return np.concatenate(parts).astype(np.float32)


if sys.argv[1] == "rows":
    write_rows(Path(sys.argv[2]))
else:
    write_models(sys.argv[2], Path(sys.argv[3]))
    print(json.dumps("done"))
