"""Opens a pickled estimator behind walls, says what it is, and converts it to ONNX.

PORTOLAN_TRAINING_SET is the pickle. Whoever made it may have put any program into it, so whatever this leaves is a stranger's word:
facts.json, and where the conversion worked model.onnx and probes.json (rows, and what the estimator said of them).
"""
import json
import os
import pickle
import warnings
from pathlib import Path

OUTPUT = Path(os.environ["PORTOLAN_OUTPUT"])
MOST_NAMES = 2_000
# Modules whose names an estimator needs; what is below them counts too.
USUAL = {"sklearn", "numpy", "scipy", "joblib", "pandas", "collections", "copyreg", "_codecs", "datetime", "xgboost", "lightgbm", "catboost"}
# Of those, what runs programs or files.
UNUSUAL = ("numpy.testing", "numpy.f2py", "numpy.distutils", "joblib.parallel", "joblib.externals", "pandas.io", "sklearn.externals",
           "sklearn.datasets", "scipy.io", "numpy.lib", "joblib.memory", "joblib.func_inspect")
BUILTINS = {"set", "frozenset", "bytearray", "bytes", "complex", "object", "slice", "range", "int", "float", "str", "bool", "list", "dict", "tuple"}

facts = {"names": [], "refused": []}


def keep():
    part = OUTPUT / "facts.json.part"
    part.write_text(json.dumps(facts))
    part.rename(OUTPUT / "facts.json")


def is_usual(module, name):
    if module in ("builtins", "__builtin__"):
        return name in BUILTINS
    below = any(module == one or module.startswith(one + ".") for one in UNUSUAL)
    return not below and module.split(".")[0] in USUAL and "." not in name


class Refused(Exception):
    pass


def guard(unpickler, allow):
    """Every name that a pickle asks for passes here, before anything of it is imported."""
    usual = unpickler.find_class

    def find_class(self, module, name):
        full = f"{module}.{name}"[:300]
        if full not in facts["names"] and len(facts["names"]) < MOST_NAMES:
            facts["names"].append(full)
        if not is_usual(module, name) and full not in facts["refused"]:
            facts["refused"].append(full)
            keep()
            if not allow:
                raise Refused(full)
        return usual(self, module, name)

    unpickler.find_class = find_class


def load(path, allow):
    class Plain(pickle._Unpickler):
        pass

    guard(Plain, allow)
    try:
        import joblib
        from joblib.numpy_pickle import NumpyUnpickler
    except ImportError:
        with open(path, "rb") as file:
            return Plain(file).load()
    guard(NumpyUnpickler, allow)
    return joblib.load(path)


def full_name(value):
    return f"{type(value).__module__}.{type(value).__qualname__}"[:300]


def plain(value):
    return isinstance(value, (bool, int, str, type(None))) or (isinstance(value, float) and value == value and abs(value) < 1e300)


def describe(model):
    said = {"kind": full_name(model)}
    if hasattr(model, "get_params"):
        params = model.get_params(deep=False)
        said["params"] = {k[:100]: v[:200] if isinstance(v, str) else v for k, v in list(params.items())[:100] if plain(v)}
    if hasattr(model, "steps"):
        said["steps"] = [[str(name)[:100], full_name(step)] for name, step in model.steps[:50]]
    if isinstance(getattr(model, "n_features_in_", None), int):
        said["features"] = model.n_features_in_
    if getattr(model, "feature_names_in_", None) is not None:
        said["featureNames"] = [str(name)[:200] for name in list(model.feature_names_in_)[:MOST_NAMES]]
    if getattr(model, "classes_", None) is not None and hasattr(model.classes_, "tolist"):
        said["classes"] = [str(one)[:100] for one in model.classes_.tolist()[:100]]
    return said


def text_columns(model):
    """Columns that an encoder has seen texts in, with the first of them."""
    found = {}
    steps = [step for _, step in getattr(model, "steps", [])] or [model]
    for step in steps:
        for _, transformer, columns in getattr(step, "transformers_", []):
            inner = [one for _, one in getattr(transformer, "steps", [])] or [transformer]
            categories = next((one.categories_ for one in inner if hasattr(one, "categories_")), [])
            for column, seen in zip(columns, categories):
                if getattr(seen, "dtype", None) is not None and seen.dtype.kind in "OU":
                    found[str(column)] = [str(one)[:100] for one in list(seen)[:20]]
    return found


def takes_columns(model):
    steps = [step for _, step in getattr(model, "steps", [])] or [model]
    return getattr(model, "feature_names_in_", None) is not None and any(hasattr(s, "transformers_") for s in steps)


def input_types(model):
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    if not takes_columns(model):
        return [("features", FloatTensorType([None, model.n_features_in_]))]
    texts = text_columns(model)
    names = [str(name) for name in model.feature_names_in_]
    return [(name, StringTensorType([None, 1]) if name in texts else FloatTensorType([None, 1])) for name in names]


def convert(model):
    from skl2onnx import to_onnx

    types = input_types(model)
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    options = {id(model): {"zipmap": False}} if hasattr(last, "classes_") else None
    onnx = to_onnx(model, initial_types=types, options=options, target_opset={"": 17, "ai.onnx.ml": 3}, name="adopted")
    probe(model, hasattr(last, "predict_proba"))
    (OUTPUT / "model.onnx").write_bytes(onnx.SerializeToString(deterministic=True))


def probe(model, scores):
    """Rows that the conversion is compared on: noise, and of columns of texts what an encoder has seen."""
    import numpy

    rows = 64
    generator = numpy.random.default_rng(0)
    if takes_columns(model):
        try:
            import pyarrow
        except ImportError:
            return
        texts = text_columns(model)
        columns = {}
        for name in map(str, model.feature_names_in_):
            drawn = generator.choice(texts[name], size=rows) if name in texts else generator.normal(size=rows).astype(numpy.float32)
            columns[name] = drawn.tolist()
        given = pyarrow.table(columns)
        inputs = [{"name": name, "columns": 1, "values": values} for name, values in columns.items()]
    else:
        given = generator.normal(size=(rows, model.n_features_in_)).astype(numpy.float32)
        inputs = [{"name": "features", "columns": model.n_features_in_, "values": given.ravel().tolist()}]
    said = model.predict_proba(given) if scores else model.predict(given)
    said = numpy.asarray(said, dtype=float).reshape(rows, -1)
    probes = {"rows": rows, "inputs": inputs, "expected": said.tolist(), "of": "scores" if scores else "values"}
    (OUTPUT / "probes.json").write_text(json.dumps(probes))


def main():
    spec = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())
    keep()
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model = load(os.environ["PORTOLAN_TRAINING_SET"], spec["params"].get("allowCode", False))
        facts["warnings"] = sorted({str(one.message).split("\n")[0][:300] for one in told})[:20]
        facts["estimator"] = describe(model)
        keep()
        facts["stage"] = "convert"
        convert(model)
        del facts["stage"]
    except Refused:
        pass
    except BaseException as error:  # a stranger's program may raise anything, and what is known so far is told
        facts["failure"] = {"stage": facts.pop("stage", "open"), "message": f"{type(error).__name__}: {error}"[:600]}
    keep()


main()
