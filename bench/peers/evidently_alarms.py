"""How often Evidently's drift preset flags windows of normal columns: rows, columns, reference rows, windows, shift of the first column, seed.
Prints one JSON line: windows with any column flagged, with the first one flagged, and with half of all (its dataset drift)."""

import json
import sys

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

rows, columns, reference_rows, windows = map(int, sys.argv[1:5])
shift, seed = float(sys.argv[5]), int(sys.argv[6])
names = [f"x{i}" for i in range(columns)]
definition = DataDefinition(numerical_columns=names)
random = np.random.default_rng(seed)


def dataset(count, moved):
    values = pd.DataFrame(random.normal(size=(count, columns)), columns=names)
    values["x0"] += moved
    return Dataset.from_pandas(values, data_definition=definition)


def is_flagged(metric):
    config, value = metric["config"], float(metric["value"])
    # A method whose value is a p-value flags below its threshold, a distance above it.
    return value < config["threshold"] if "p_value" in config["method"] else value >= config["threshold"]


reference = dataset(reference_rows, 0)
counts = {"anyColumn": 0, "firstColumn": 0, "dataset": 0}
for _ in range(windows):
    metrics = Report([DataDriftPreset()]).run(dataset(rows, shift), reference).dict()["metrics"]
    flagged = {m["config"]["column"]: is_flagged(m) for m in metrics if "column" in m["config"]}
    counts["anyColumn"] += any(flagged.values())
    counts["firstColumn"] += flagged["x0"]
    counts["dataset"] += sum(flagged.values()) >= 0.5 * columns
print(json.dumps({"windows": windows, **counts}))
