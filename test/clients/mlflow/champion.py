"""A pipeline that promotes a version with MLflow's own Python client, unmodified, once Portolan has judged it.

Knows MLFLOW_TRACKING_URI and MLFLOW_TRACKING_TOKEN; its arguments are the registered name and the version. Prints what it understood
as JSON lines.
"""
import json
import sys

import mlflow
from mlflow.tracking import MlflowClient

NAME, VERSION = sys.argv[1:3]


def say(name, value):
    print(json.dumps({"name": name, "value": value}), flush=True)


client = MlflowClient()
client.transition_model_version_stage(NAME, VERSION, "Staging")
say("staged", client.get_model_version(NAME, VERSION).current_stage)
client.set_registered_model_alias(NAME, "champion", VERSION)
say("champion", client.get_model_version_by_alias(NAME, "champion").version)
say("aliases", client.get_registered_model(NAME).aliases)
say("stage", client.get_model_version(NAME, VERSION).current_stage)
say("file", len(open(mlflow.artifacts.download_artifacts(f"models:/{NAME}@champion") + "/model.onnx", "rb").read()))
