"""Says what a Python program names and calls, from its syntax alone: nothing of it is run or imported.

PORTOLAN_TRAINING_SET is a JSON file: a list of {"name", "text"}, each a program or the cell of a notebook, in order. facts.json is
left in PORTOLAN_OUTPUT. Names are followed through imports and simple assignments, and no further.
"""
import ast
import json
import os
import sys
import warnings
from pathlib import Path

MOST = 20_000  # of each kind of fact
LONGEST = 400  # characters of a literal or name

warnings.simplefilter("ignore")  # those of the parser are of no use to anybody here


def clip(text):
    return text[:LONGEST]


class Reader:
    def __init__(self):
        self.modules = {}  # what an imported name stands for
        self.origins = {}  # what made the value of a variable: a class, or the module of a function
        self.facts = {"imports": [], "calls": [], "texts": [], "functions": [], "asserts": [], "units": []}

    def add(self, kind, fact):
        if len(self.facts[kind]) < MOST:
            self.facts[kind].append(fact)

    def read(self, unit, name, text):
        said = {"name": name, "lines": text.count("\n") + 1}
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            said["problem"] = {"line": error.lineno or 1, "message": clip(error.msg or "invalid syntax")}
        except (ValueError, RecursionError, MemoryError) as error:
            said["problem"] = {"line": 1, "message": clip(f"{type(error).__name__}: {error}")}
        self.facts["units"].append(said)
        if "problem" not in said:
            self.walk(unit, tree)

    def walk(self, unit, tree):
        """In the order of the text, without recursion: a program may nest as deep as it likes."""
        stack = [(tree, "", ())]
        while stack:
            node, function, targets = stack.pop()
            inside, below = function, {}
            at = [unit, getattr(node, "lineno", 1)]
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inside = node.name
                decorators = [self.name_of(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list]
                self.add("functions", {"at": at, "name": clip(node.name), "decorators": [d for d in decorators if d]})
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                self.note_import(at, node)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                names = [n for t in getattr(node, "targets", [getattr(node, "target", None)]) for n in target_names(t)]
                below[id(node.value)] = tuple(names)
                self.note_origin(names, node.value)
            elif isinstance(node, ast.Assert):
                self.add("asserts", {"at": at})
            elif isinstance(node, ast.Call):
                self.note_call(at, node, inside, targets)
            elif isinstance(node, ast.keyword) and node.arg:
                below[id(node.value)] = (node.arg,)
            elif isinstance(node, ast.Dict):
                below.update({id(v): (k.value,) for k, v in zip(node.keys, node.values) if literal(k, str)})
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
                named = targets[0] if targets else None
                self.add("texts", {"at": at, "value": clip(node.value), **({"name": clip(named)} if named else {})})
            children = [(child, inside, below.get(id(child), ())) for child in ast.iter_child_nodes(node)]
            stack.extend(reversed(children))

    def note_import(self, at, node):
        if isinstance(node, ast.Import):
            for name in node.names:
                self.modules[name.asname or name.name.split(".")[0]] = name.name if name.asname else name.name.split(".")[0]
                self.add("imports", {"at": at, "module": clip(name.name)})
        elif node.level == 0 and node.module:
            for name in node.names:
                self.modules[name.asname or name.name] = f"{node.module}.{name.name}"
            self.add("imports", {"at": at, "module": clip(node.module)})

    def note_origin(self, names, value):
        found = self.name_of(value.func) if isinstance(value, ast.Call) else self.name_of(value)
        for name in names:
            if found:
                self.origins[name] = made_by(found) if isinstance(value, (ast.Call, ast.Subscript)) else found
            else:
                self.origins.pop(name, None)

    def note_call(self, at, node, function, targets):
        name = self.name_of(node.func)
        if not name:
            return
        fact = {"at": at, "name": name, "args": [self.argument(a) for a in node.args[:20]]}
        fact["keywords"] = {clip(k.arg): self.argument(k.value) for k in node.keywords[:60] if k.arg}
        on = root_of(node.func.value) if isinstance(node.func, ast.Attribute) else None
        if on:
            fact["on"] = clip(on)
        if targets:
            fact["targets"] = [clip(t) for t in targets if t][:20]
        if function:
            fact["function"] = clip(function)
        self.add("calls", fact)

    def argument(self, node):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, int, float, bool, type(None))):
            value = node.value
            if isinstance(value, str):
                value = clip(value)
            elif isinstance(value, (int, float)) and not abs(value) < 1e15:
                value = None
            return {"value": value}
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and literal(node.operand, (int, float)):
            return {"value": -node.operand.value} if abs(node.operand.value) < 1e15 else {}
        names, stack, seen = [], [node], 0
        while stack and seen < 2_000:
            one = stack.pop()
            seen += 1
            if isinstance(one, ast.Name) and one.id not in names:
                names.append(one.id)
            stack.extend(ast.iter_child_nodes(one))
        return {"names": [clip(n) for n in names[:20]]} if names else {}

    def name_of(self, node):
        """`sklearn.preprocessing.StandardScaler.fit` for `scaler.fit`; of a chain of calls the module and the last method."""
        parts, method = [], None
        while True:
            if isinstance(node, ast.Attribute):
                parts.append(node.attr)
                node = node.value
            elif isinstance(node, (ast.Call, ast.Subscript)):
                method = parts[-1:] if method is None else method
                parts, node = [], node.func if isinstance(node, ast.Call) else node.value
            else:
                break
        if not isinstance(node, ast.Name):
            last = (method or parts)[:1]
            return clip(f"?.{last[0]}") if last else None
        head = self.origins.get(node.id) or self.modules.get(node.id) or node.id
        name = ".".join([head, *reversed(parts)])
        return clip(name if method is None else ".".join([made_by(name), *method]))


def made_by(name):
    """What a value is like that came of a call: its class, or the module whose function it was."""
    parts = name.split(".")
    for at, part in enumerate(parts):
        if part[:1].isupper():
            return ".".join(parts[: at + 1])
    return parts[0]


def literal(node, kinds):
    return isinstance(node, ast.Constant) and isinstance(node.value, kinds)


def root_of(node):
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def target_names(node):
    stack, names = [node], []
    while stack:
        one = stack.pop()
        if isinstance(one, ast.Name):
            names.append(one.id)
        elif isinstance(one, (ast.Tuple, ast.List)):
            stack.extend(reversed(one.elts))
        elif isinstance(one, (ast.Attribute, ast.Subscript)):
            # `frame["age"] = …` changes the frame; its name says what of it.
            key = getattr(one, "slice", None)
            names.append(key.value if literal(key, str) else root_of(one) or "")
    return names


def main():
    units = json.loads(Path(os.environ["PORTOLAN_TRAINING_SET"]).read_text())
    reader = Reader()
    for number, unit in enumerate(units):
        reader.read(number, unit["name"], unit["text"])
    facts = {"python": sys.version.split()[0], "standard": sorted(sys.stdlib_module_names), **reader.facts}
    (Path(os.environ["PORTOLAN_OUTPUT"]) / "facts.json").write_text(json.dumps(facts))


main()
