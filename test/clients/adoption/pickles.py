"""Writes pickles of estimators and of attacks. Arguments: folder, a file that attacks try to write, a port that they try to reach."""
import os
import pickle
import socket
import sys
from pathlib import Path

import joblib
import numpy
import pyarrow
import pyarrow.parquet
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

folder, witness, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
rows = numpy.random.default_rng(1).normal(size=(300, 4))
late = rows[:, 0] + rows[:, 1] > 0


def save(name, value):
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(value))


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


save("pipeline", make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, late))
joblib.dump(RandomForestRegressor(5, random_state=1).fit(rows, rows[:, 0]), folder / "forest.joblib", compress=3)
table = pyarrow.table({"place": ["north", "south"] * 150, "wait": rows[:, 0]})
prepared = ColumnTransformer([("place", OneHotEncoder(handle_unknown="ignore"), ["place"]), ("wait", StandardScaler(), ["wait"])])
save("columns", make_pipeline(prepared, LogisticRegression()).fit(table, late))
save("unfitted", LogisticRegression())
save("unconvertible", make_pipeline(FunctionTransformer(numpy.sin), LogisticRegression()).fit(rows, late))
save("system", Call(os.system, f"echo run > {witness}"))
save("file", Call(open, witness, "w"))
save("socket", Call(socket.create_connection, ("127.0.0.1", port), 3))
# Leaves a link to a file of the machine where the model should be, and facts of its own.
save("link", Call(eval, f"__import__('os').symlink('/etc/hostname', __import__('os').environ['PORTOLAN_OUTPUT'] + '/model.onnx')"))
save("memory", Call(bytearray, 10**12))
save("end", Call(os._exit, 0))
(folder / "noise.pkl").write_bytes(b"\x80\x04" + b"(" * 1_000_000)
columns = {f"x{at}": rows[:, at] for at in range(4)}
pyarrow.parquet.write_table(pyarrow.table({**columns, "late": late}), folder / "rows.parquet")
