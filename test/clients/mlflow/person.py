"""A data scientist at a laptop with MLflow's own Python client, unmodified; prints what it understood as JSON lines.

Knows MLFLOW_TRACKING_URI, MLFLOW_TRACKING_TOKEN, and in its argument the id of a run that somebody else made.
"""
import json
import math
import sys

import mlflow
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

OTHER = sys.argv[1]


def say(name, value):
    print(json.dumps({"name": name, "value": value}), flush=True)


def refused(work):
    try:
        work()
    except MlflowException as error:
        return [error.error_code, "mlflow.set_experiment" in str(error)]
    return "accepted"


client = MlflowClient()
say("no_experiment", client.get_experiment("0").name)
say("own_experiment", refused(lambda: mlflow.set_experiment("my-own")))
say("experiment", mlflow.set_experiment("flight-delays/dev").name)
say("mine", sorted(one.name for one in mlflow.search_experiments(filter_string="name LIKE 'flight-delays/%'")))

with mlflow.start_run(run_name="by hand", tags={"team": "planning"}) as run:
    RUN = run.info.run_id
    say("status", [run.info.status, run.info.lifecycle_stage])
    mlflow.log_params({"depth": 6, "rate": 0.1})
    for step in range(5):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metrics({"not_there": math.nan, "beyond": -math.inf, "huge": 1.7e308}, step=1)
    mlflow.set_experiment_tag("owner", "planning")
    with mlflow.start_run(run_name="child", nested=True) as child:
        mlflow.log_metric("loss", 0.9)
with mlflow.start_run(run_id=RUN):
    mlflow.log_metric("loss", 0.1, step=9)

found = client.get_run(RUN)
say("ended", found.info.status)
say("origin", found.data.tags["portolan.origin"])
say("artifacts", found.info.artifact_uri == f"mlflow-artifacts:/{found.info.experiment_id}/{RUN}/artifacts")
say("params", found.data.params)
say("metrics", {key: str(value) for key, value in found.data.metrics.items()})
say("history", [point.step for point in client.get_metric_history(RUN, "loss")])
say("tags", client.get_experiment(found.info.experiment_id).tags)


def search(filter_string, view=ViewType.ACTIVE_ONLY, **more):
    runs = mlflow.search_runs(
        experiment_names=["flight-delays/dev"],
        filter_string=filter_string,
        run_view_type=view,
        output_format="list",
        **more,
    )
    return [one.info.run_name for one in runs]


say("search", search("metrics.loss < 1", order_by=["metrics.loss ASC"]))
say("children", search(f"tags.`mlflow.parentRunId` = '{RUN}'"))
client.delete_run(RUN)
say("deleted", [search("", ViewType.DELETED_ONLY), search("params.depth = '6'"), refused(lambda: client.log_metric(RUN, "loss", 1))])
client.restore_run(RUN)
say("restored", search("params.depth = '6'"))
say("others", refused(lambda: client.log_metric(OTHER, "loss", 1)))
say("own_tag", refused(lambda: client.set_tag(RUN, "portolan.origin", "trainer")))
say("remade", refused(lambda: client.delete_experiment(found.info.experiment_id)))
