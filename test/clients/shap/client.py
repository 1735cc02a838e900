"""Models that two libraries trained and exported, with the Shapley values of what was exported by shap's TreeExplainer: one JSON line each.

An export rounds leaves to single precision, so shap is given the exported trees, with the background's rows counted here.
"""
import base64
import json
import sys
import warnings

import numpy as np
import shap
from lightgbm import LGBMClassifier
from onnx import helper
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType as LightGbmTensor
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
COLUMNS, EXPLAINED = 30, 25
random = np.random.RandomState(int(sys.argv[1]))


def data(rows):
    x = random.randn(rows, COLUMNS).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] * x[:, 2] - np.abs(x[:, 3]) + random.randn(rows) * 0.3 > -0.5).astype(int)


def trees_of(onnx, background):
    """The exported trees as shap takes them."""
    [node] = [node for node in onnx.graph.node if node.op_type.startswith("TreeEnsemble")]
    attribute = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    votes = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    ids = np.array(attribute[f"{votes}_ids"])
    targets = 1 if len(set(ids)) == 1 else ids.max() + 1
    trees = []
    for tree in sorted(set(attribute["nodes_treeids"])):
        at = np.flatnonzero(np.array(attribute["nodes_treeids"]) == tree)
        place = {attribute["nodes_nodeids"][i]: n for n, i in enumerate(at)}
        leaf = [attribute["nodes_modes"][i] == b"LEAF" for i in at]
        child = lambda name: np.array([-1 if is_leaf else place[attribute[name][i]] for is_leaf, i in zip(leaf, at)])
        left, right = child("nodes_truenodeids"), child("nodes_falsenodeids")
        missing = attribute.get("nodes_missing_value_tracks_true", [0] * len(attribute["nodes_modes"]))
        values = np.zeros((len(at), targets))
        for t, n, target, weight in zip(attribute[f"{votes}_treeids"], attribute[f"{votes}_nodeids"], ids, attribute[f"{votes}_weights"]):
            if t == tree:
                values[place[n], target if targets > 1 else 0] += weight
        one = {
            "children_left": left,
            "children_right": right,
            "children_default": np.where([missing[i] == 1 for i in at], left, right),
            "features": np.array([attribute["nodes_featureids"][i] for i in at]),
            "thresholds": np.array([attribute["nodes_values"][i] for i in at], dtype=np.float64),
            "values": values,
        }
        one["node_sample_weight"] = covers_of(one, background)
        trees.append(one)
    return trees


def covers_of(tree, background):
    covers = np.zeros(len(tree["features"]))
    open_nodes = [(0, np.ones(len(background), dtype=bool))]
    while open_nodes:
        node, here = open_nodes.pop()
        covers[node] = here.sum()
        if tree["children_left"][node] < 0:
            continue
        x = background[:, tree["features"][node]].astype(np.float64)
        left = np.where(np.isnan(x), tree["children_default"][node] == tree["children_left"][node], x <= tree["thresholds"][node])
        open_nodes += [(tree["children_left"][node], here & left), (tree["children_right"][node], here & ~left)]
    return covers


def say(name, onnx, background, explained):
    explainer = shap.TreeExplainer({"trees": trees_of(onnx, background)})
    values = np.asarray(explainer.shap_values(explained.astype(np.float64), check_additivity=False), dtype=np.float64)
    if values.ndim == 2:
        values = values[:, :, None]
    line = {
        "name": name,
        "value": {
            "onnx": base64.b64encode(onnx.SerializeToString()).decode(),
            "background": base64.b64encode(background.tobytes()).decode(),
            "explained": base64.b64encode(explained.tobytes()).decode(),
            "values": base64.b64encode(np.ascontiguousarray(values).tobytes()).decode(),
            "targets": values.shape[2],
            "expected": np.atleast_1d(explainer.expected_value).astype(float).tolist(),
        },
    }
    print(json.dumps(line), flush=True)


def sklearn(name, model, y_of):
    x, y = data(800)
    model.fit(x, y_of(x, y))
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    onnx = to_onnx(model, initial_types=[("x", FloatTensorType([None, COLUMNS]))], options=options)
    say(name, onnx, x, data(EXPLAINED)[0])


def lightgbm(name):
    x, y = data(800)
    explained = data(EXPLAINED)[0]
    x[random.rand(*x.shape) < 0.1] = np.nan
    explained[random.rand(*explained.shape) < 0.2] = np.nan
    model = LGBMClassifier(n_estimators=60, num_leaves=15, verbose=-1, random_state=1, n_jobs=1).fit(x, y)
    onnx = convert_lightgbm(model, initial_types=[("x", LightGbmTensor([None, COLUMNS]))], zipmap=False)
    say(name, onnx, x, explained)


def linear(name, model, y_of):
    """The exported weights, with the scaler's taken in, as shap takes them: those of the score that is explained."""
    x, y = data(800)
    x = x * 3 + 5
    explained = data(EXPLAINED)[0] * 3 + 5
    pipeline = make_pipeline(StandardScaler(), model).fit(x, y_of(x, y))
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    onnx = to_onnx(pipeline, initial_types=[("x", FloatTensorType([None, COLUMNS]))], options=options)
    attributes = {}
    for node in onnx.graph.node:
        if node.op_type in ("Scaler", "LinearClassifier", "LinearRegressor"):
            attributes |= {one.name: np.array(helper.get_attribute_value(one)) for one in node.attribute}
    weights = attributes["coefficients"].astype(np.float64).reshape(-1, COLUMNS) * attributes["scale"].astype(np.float64)
    intercepts = attributes["intercepts"].astype(np.float64) - weights @ attributes["offset"].astype(np.float64)
    scores = explained.astype(np.float64) @ weights.T + intercepts
    targets = scores.shape[1]
    # Of two classes the second, of more the highest of each row.
    chosen = scores.argmax(axis=1) if targets > 2 else np.full(EXPLAINED, targets - 1)
    values, expected = [], []
    for row, target in zip(explained, chosen):
        explainer = shap.LinearExplainer((weights[target], intercepts[target]), shap.maskers.Independent(x.astype(np.float64), max_samples=len(x)))
        values.append(np.asarray(explainer.shap_values(row[None].astype(np.float64)))[0])
        expected.append(float(explainer.expected_value))
    line = {
        "name": name,
        "value": {
            "onnx": base64.b64encode(onnx.SerializeToString()).decode(),
            "means": x.astype(np.float64).mean(axis=0).tolist(),
            "explained": base64.b64encode(explained.tobytes()).decode(),
            "values": np.concatenate(values).tolist(),
            "expected": expected,
            "decided": np.atleast_1d(pipeline.predict(explained)).astype(str).tolist() if options else [],
        },
    }
    print(json.dumps(line), flush=True)


def polynomial(x):
    """The same in the test: products, a step, and a column that counts for nothing."""
    return np.column_stack([x[:, 0] * x[:, 1] + (x[:, 2] > 0.25), x[:, 3] ** 2 - x[:, 0] * x[:, 4] * x[:, 5] + 0 * x[:, 6]])


def kernel(columns):
    background, row = random.randn(20, columns), random.randn(1, columns)
    explainer = shap.KernelExplainer(polynomial, background)
    values = np.asarray(explainer.shap_values(row, l1_reg=False, silent=True))[0]
    line = {
        "name": f"kernel {columns}",
        "value": {
            "background": background.ravel().tolist(),
            "row": row.ravel().tolist(),
            "values": values.ravel().tolist(),
            "expected": np.atleast_1d(explainer.expected_value).tolist(),
        },
    }
    print(json.dumps(line), flush=True)


kernel(8)
kernel(14)
sklearn("boosted classifier", GradientBoostingClassifier(n_estimators=100, max_depth=6, random_state=1), lambda x, y: y)
sklearn("boosted regressor", GradientBoostingRegressor(n_estimators=50, max_depth=4, random_state=1), lambda x, y: x[:, 0] * 3 + y)
sklearn("forest of three classes", RandomForestClassifier(n_estimators=20, max_depth=6, bootstrap=False, max_features=5, random_state=1), lambda x, y: y + (x[:, 4] > 0.5))
lightgbm("boosted by LightGBM, with gaps")
linear("logistic regression", LogisticRegression(max_iter=500), lambda x, y: y)
linear("logistic regression of three classes", LogisticRegression(max_iter=500), lambda x, y: y + (x[:, 4] > 6))
linear("linear regression", LinearRegression(), lambda x, y: x[:, 0] * 3 + y)
