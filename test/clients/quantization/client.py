"""Trains a network on scikit-learn's handwritten digits (1,797 real ones). Arguments: folder, width of its two layers."""
import json, sys
from pathlib import Path

import numpy
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

folder, width = Path(sys.argv[1]), int(sys.argv[2])
rows, labels = load_digits(return_X_y=True)
rows = (rows / 16).astype(numpy.float32)
train, held_out, train_labels, held_out_labels = train_test_split(
    rows, labels, test_size=797, random_state=1, stratify=labels
)


def save(name, model):
    exported = to_onnx(model, train[:1], options={id(model): {"zipmap": False}}, target_opset=17)
    (folder / f"{name}.onnx").write_bytes(exported.SerializeToString())


save("network", MLPClassifier((width, width), max_iter=12, random_state=1).fit(train, train_labels))
save("trees", RandomForestClassifier(5, random_state=1).fit(train, train_labels))
numpy.save(folder / "calibration.npy", train[:300])
print(json.dumps({"name": "held out", "value": held_out.tolist()}))
print(json.dumps({"name": "labels", "value": held_out_labels.tolist()}))
