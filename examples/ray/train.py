"""Logistic regression over the workers of a Ray cluster, exported to ONNX. For runs with `"backend": "ray"`.

The rows are cut into SHARDS parts of a fixed order, whatever the number of workers. At each step every part's gradient is computed by the
worker that has it, and the driver adds the parts up in their order: so 1, 2 or more workers come to the same weights, bit for bit on
machines with the same NumPy and processor. A worker that is lost is replaced, gets its parts again, and the step is done once more: weights
are the driver's alone, and nothing is lost with a worker.

Params: workers (2), steps (200), learning_rate (0.5), l2 (1e-3), pause_seconds after each step (0). The trainer contract: docs/training.md.
"""
import json
import os
import time
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as parquet
import ray
from onnx import TensorProto, helper
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

SHARDS = 8
LOST = 20  # workers that may be lost before the run gives up


@ray.remote(num_cpus=1, max_restarts=0)
class Worker:
    """Holds some of the parts, and computes their sums of gradients and losses."""

    def __init__(self, shards):
        self.shards = {index: ray.get(reference) for index, reference in shards}

    def ready(self):
        return os.getpid(), ray.get_runtime_context().get_node_id()

    def gradients(self, weights):
        found = {}
        for index, (x, y) in self.shards.items():
            score = x @ weights
            error = 1 / (1 + np.exp(-score)) - y
            loss = np.logaddexp(0, score) - y * score
            found[index] = (x.T @ error, float(loss.sum()))
        return found


class Workers:
    """So many workers, spread over the nodes that live; lost ones are replaced."""

    def __init__(self, count, shards):
        self.references = [ray.put(shard) for shard in shards]
        self.held = [[index for index in range(SHARDS) if index % count == rank] for rank in range(count)]
        self.lost = 0
        self.actors = [self.start(rank) for rank in range(count)]

    def start(self, rank):
        nodes = sorted(node["NodeID"] for node in ray.nodes() if node["Alive"])
        there = NodeAffinitySchedulingStrategy(nodes[rank % len(nodes)], soft=True)
        # In a list, so that the worker gets references and reads them itself.
        shards = [(index, self.references[index]) for index in self.held[rank]]
        actor = Worker.options(scheduling_strategy=there).remote(shards)
        pid, node = ray.get(actor.ready.remote())
        print(f"worker {rank} is process {pid} on node {node}", flush=True)
        return actor

    def gradients(self, weights):
        """Of every part, in the order of the parts."""
        reference = ray.put(weights)
        pending = [actor.gradients.remote(reference) for actor in self.actors]
        found = {}
        for rank, answer in enumerate(pending):
            while True:
                try:
                    found.update(ray.get(answer))
                    break
                except RayActorError:
                    self.lost += 1
                    print(f"worker {rank} was lost; it is replaced", flush=True)
                    if self.lost > LOST:
                        raise
                    try:
                        self.actors[rank] = self.start(rank)
                    except RayActorError:
                        continue
                    answer = self.actors[rank].gradients.remote(reference)
        return [found[index] for index in range(SHARDS)]


def train(x, y, params):
    rows = len(y)
    shards = [(x[cut], y[cut]) for cut in np.array_split(np.arange(rows), SHARDS)]
    workers = Workers(int(params.get("workers", 2)), shards)
    weights = np.zeros(x.shape[1])
    rate, l2, steps = params.get("learning_rate", 0.5), params.get("l2", 1e-3), int(params.get("steps", 200))
    for step in range(1, steps + 1):
        total, loss = np.zeros_like(weights), 0.0
        for gradient, shard_loss in workers.gradients(weights):
            total += gradient
            loss += shard_loss
        weights = weights - rate * (total / rows + l2 * weights)
        if step % max(1, steps // 10) == 0 or step == 1:
            print(f"step {step}/{steps}, loss {loss / rows:.6f}", flush=True)
        time.sleep(params.get("pause_seconds", 0))
    return weights, loss / rows, workers.lost


def exported(weights, mean, scale, features):
    """The model takes features as they are: standardisation is folded into it. Its one output is the probability."""
    slopes = weights[:-1] / scale
    bias = weights[-1] - float((weights[:-1] * mean / scale).sum())
    nodes = [
        helper.make_node("Gemm", ["features", "weights", "bias"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes,
        "logistic-regression",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, len(features)])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, [len(features), 1], slopes.astype(np.float32)),
            helper.make_tensor("bias", TensorProto.FLOAT, [1], np.array([bias], np.float32)),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def main():
    spec = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())
    output, params, features = Path(os.environ["PORTOLAN_OUTPUT"]), spec["params"], spec["features"]
    table = parquet.read_table(os.environ["PORTOLAN_TRAINING_SET"], columns=[*features, spec["label"]])
    columns = [table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in features]
    raw = np.nan_to_num(np.column_stack(columns))
    y = table[spec["label"]].to_numpy(zero_copy_only=False).astype(np.float64)
    mean, deviation = raw.mean(axis=0), raw.std(axis=0)
    scale = np.where(deviation == 0, 1.0, deviation)
    x = np.column_stack([(raw - mean) / scale, np.ones(len(y))])
    ray.init()
    weights, loss, lost = train(x, y, params)
    metrics = {"training_rows": len(y), "log_loss": loss, "lost_workers": lost}
    metrics |= {f"weight_{index}": float(weight) for index, weight in enumerate(weights)}
    (output / "metrics.json").write_text(json.dumps(metrics))
    (output / "model.onnx").write_bytes(exported(weights, mean, scale, features))


main()
