"""A pipeline, or a data scientist, that logs models with MLflow's own Python client, unmodified, and registers them.

Knows MLFLOW_TRACKING_URI and MLFLOW_TRACKING_TOKEN; its arguments are the name to register under and an ONNX file. Prints what it
understood as JSON lines.
"""
import json
import os
import sys
import tempfile
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
from mlflow.entities import LoggedModelInput
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from sklearn.linear_model import LogisticRegression

NAME, ONNX = sys.argv[1:3]
FORMAT = {"serialization_format": "cloudpickle", "pip_requirements": ["scikit-learn"]}


def say(name, value):
    print(json.dumps({"name": name, "value": value}), flush=True)


def refused(work):
    try:
        work()
    except MlflowException as error:
        return [error.error_code, str(error)]
    return ["accepted", ""]


client = MlflowClient()
mlflow.set_experiment("flight-delays/dev")
rows = np.array([[0.0, 1.0], [1.0, 0.0], [0.2, 0.9], [0.9, 0.1]])
fitted = LogisticRegression().fit(rows, [0, 1, 0, 1])
folder = Path(tempfile.mkdtemp())
(folder / "plots").mkdir()
(folder / "plots" / "a b.txt").write_text("confusion")

with mlflow.start_run() as run:
    RUN = run.info.run_id
    mlflow.log_metric("auc", 0.9)
    mlflow.log_artifacts(str(folder))
    info = mlflow.sklearn.log_model(fitted, name="arrivals-model", **FORMAT)
    registering = refused(
        lambda: mlflow.sklearn.log_model(fitted, name="registered", registered_model_name=NAME, **FORMAT)
    )
say("registering", registering[0])
# More than one part of five megabytes, by the client's own upload in parts.
large = folder / "large.bin"
large.write_bytes(bytes(range(256)) * 25_000)
os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = "1"
os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(5 * 2**20)
client.log_artifact(RUN, str(large), "parts")
os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "false"
back = Path(mlflow.artifacts.download_artifacts(run_id=RUN, artifact_path="parts/large.bin")).read_bytes()
say("in_parts", [back == large.read_bytes(), [one.path for one in client.list_artifacts(RUN, "parts")]])
# The same by signed addresses, in ranges of a megabyte that carry no credential.
os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"] = "true"
os.environ["MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE"] = str(2**20)
in_ranges = Path(mlflow.artifacts.download_artifacts(run_id=RUN, artifact_path="parts/large.bin")).read_bytes()
signed = get_artifact_repository(run.info.artifact_uri)._get_presigned_download_url("parts/large.bin")
with urllib.request.urlopen(urllib.request.Request(signed.url, headers={"Range": "bytes=257-259"})) as answer:
    say("in_ranges", [in_ranges == large.read_bytes(), answer.status, list(answer.read()), signed.headers])
os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"] = "false"
with mlflow.start_run() as judging:
    client.log_inputs(judging.info.run_id, models=[LoggedModelInput(info.model_id)])
say("model_inputs", [one.model_id for one in client.get_run(judging.info.run_id).inputs.model_inputs] == [info.model_id])
say("listed", sorted(one.path for one in client.list_artifacts(RUN)))
say("artifact", Path(mlflow.artifacts.download_artifacts(run_id=RUN, artifact_path="plots/a b.txt")).read_text())
say("outputs", len(client.get_run(RUN).outputs.model_outputs))
say("model_metric", [metric.value for metric in client.get_logged_model(info.model_id).metrics])
found = mlflow.search_logged_models(
    experiment_ids=[run.info.experiment_id], filter_string=f"source_run_id = '{RUN}'", output_format="list"
)
say("found", sorted(one.name for one in found))
say("by_run", mlflow.sklearn.load_model(f"runs:/{RUN}/arrivals-model").predict(rows).tolist())
say("by_model", mlflow.sklearn.load_model(info.model_uri).predict(rows).tolist())

if registering[0] == "accepted":
    say("by_version", mlflow.sklearn.load_model(f"models:/{NAME}/1").predict(rows).tolist())
    say("pickle_promoted", refused(lambda: client.set_registered_model_alias(NAME, "dev", "1")))
    client.set_registered_model_alias(NAME, "trial", "1")
    say("by_alias", mlflow.sklearn.load_model(f"models:/{NAME}@trial").predict(rows).tolist())
    with mlflow.start_run():
        model = mlflow.initialize_logged_model(name="onnx")
        client.log_model_artifact(model.model_id, ONNX)
        mlflow.finalize_logged_model(model.model_id, "READY")
    version = mlflow.register_model(f"models:/{model.model_id}", NAME, tags={"by": "pipeline"})
    say("onnx_version", [version.version, version.status, client.get_model_version(NAME, "2").tags])
    say("dev", refused(lambda: client.set_registered_model_alias(NAME, "dev", "2"))[0])
    say("champion", refused(lambda: client.set_registered_model_alias(NAME, "champion", "2")))
    say("production", refused(lambda: client.transition_model_version_stage(NAME, "2", "Production"))[0])
    say("not_champion", refused(lambda: client.get_model_version_by_alias(NAME, "champion"))[0])
    say("approval", refused(lambda: client.set_model_version_tag(NAME, "2", "portolan.approved", "me"))[0])
    say("deleted", refused(lambda: client.delete_model_version(NAME, "1"))[0])
    say("versions", sorted(one.version for one in client.search_model_versions(f"name='{NAME}'")))
    say("names", [one.name for one in client.search_registered_models()])
    say("aliases", client.get_registered_model(NAME).aliases)
