"""A trainer that logs with MLflow's own Python client, unmodified, and prints what it understood as JSON lines.

All it knows of the server is MLFLOW_TRACKING_URI, MLFLOW_RUN_ID and MLFLOW_TRACKING_TOKEN.
"""
import json
import math
import os
from pathlib import Path

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

RUN = os.environ["MLFLOW_RUN_ID"]
OTHER = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())["params"]["other"]


def say(name, value):
    print(json.dumps({"name": name, "value": value}), flush=True)


def refused(work):
    try:
        work()
    except MlflowException as error:
        return error.error_code
    return "accepted"


client = MlflowClient()
with mlflow.start_run() as run:
    say("run", [run.info.run_id == RUN, run.info.status, run.info.lifecycle_stage])
    say("experiment", mlflow.get_experiment(run.info.experiment_id).name)
    mlflow.log_param("learning_rate", 0.1)
    mlflow.log_params({"rounds": 100, "name": "höhe / 1"})
    for step in range(5):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metrics({"auc": 0.75, "not_there": math.nan, "beyond": math.inf}, step=7)
    client.log_batch(
        RUN,
        metrics=[Metric("curve", value=i / 1000, timestamp=1_700_000_000_000 + i, step=i) for i in range(1000)],
    )
    client.log_batch(
        RUN, params=[Param(f"p{i}", str(i)) for i in range(50)], tags=[RunTag("team", "planning")]
    )
    mlflow.set_tags({"stage": "trial", "gone": "soon"})
    mlflow.delete_tag("gone")
    mlflow.log_metric("later", 1.0, synchronous=False).wait()
    client.update_run(RUN, name="evening trial")
    say("same_param", refused(lambda: mlflow.log_param("learning_rate", 0.1)))
    say("changed_param", refused(lambda: mlflow.log_param("learning_rate", 0.2)))
    say("bad_key", refused(lambda: mlflow.log_metric("../up", 1)))
    say("other_metric", refused(lambda: client.log_metric(OTHER, "loss", 1)))
    say("other_run", refused(lambda: client.get_run(OTHER)))
    say("new_run", refused(lambda: client.create_run(run.info.experiment_id)))
    say("traces", refused(lambda: client.search_traces(locations=[run.info.experiment_id])))

by_filter = client.search_runs(
    [run.info.experiment_id],
    "params.learning_rate = '0.1' and metrics.auc > 0.7 and tags.team LIKE 'plan%'",
    order_by=["metrics.loss DESC"],
)
say("search", [one.info.run_id == RUN and one.data.params["rounds"] == "100" for one in by_filter])
say("no_search", refused(lambda: client.search_runs([run.info.experiment_id], "params.learning_rate > 1")))
found = client.get_run(RUN)
say("status", found.info.status)
say("run_name", found.info.run_name)
say("params", {k: v for k, v in found.data.params.items() if not k.startswith("p")})
say("tags", {k: v for k, v in found.data.tags.items() if not k.startswith("mlflow.")})
say("metrics", {k: str(v) for k, v in found.data.metrics.items()})
say("loss", [[point.step, point.value] for point in client.get_metric_history(RUN, "loss")])
curve = client.get_metric_history(RUN, "curve")
say("curve", [len(curve), curve[-1].step, curve[-1].timestamp, curve[-1].value])

output = Path(os.environ["PORTOLAN_OUTPUT"])
(output / "metrics.json").write_text("{}")
(output / "model.onnx").write_text("model")
