"""A drift report by Evidently's preset of two files of float32 rows: folder, rows, columns. Prints one JSON line."""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

folder, rows, columns = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
names = [f"x{i}" for i in range(columns)]
definition = DataDefinition(numerical_columns=names)


def dataset(name):
    values = np.fromfile(folder / name, dtype="<f4").reshape(rows, columns)
    return Dataset.from_pandas(pd.DataFrame(values, columns=names), data_definition=definition)


started = time.perf_counter()
current, reference = dataset("current.f32"), dataset("reference.f32")
loaded = time.perf_counter()
report = Report([DataDriftPreset()]).run(current, reference).dict()
seconds = time.perf_counter() - loaded
drifted = int(report["metrics"][0]["value"]["count"])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"loadSeconds": loaded - started, "seconds": seconds, "drifted": drifted, "peakBytes": peak}))
