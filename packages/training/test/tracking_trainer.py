"""A trainer that logs to its run with the standard library alone, and tries what else its address answers.

Prints one line of JSON with the status of every call; then ends as a good one does.
"""
import json
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

params = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())["params"]
URI, RUN, TOKEN = (os.environ[name] for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_TRACKING_TOKEN"))
API = "/api/2.0/mlflow"


def call(path, body=None):
    """(status, answer) of one call."""
    request = urllib.request.Request(
        URI + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def connects(address, family=socket.AF_INET):
    with socket.socket(family) as client:
        client.settimeout(3)
        try:
            client.connect(address)
            return True
        except OSError:
            return False


def log(key, step):
    point = {"run_id": RUN, "key": key, "value": step / 10, "timestamp": 1_000 + step, "step": step}
    return call(f"{API}/runs/log-metric", point)


found = {
    "param": call(f"{API}/runs/log-parameter", {"run_id": RUN, "key": "depth", "value": "3"})[0],
    "metric": [log("loss", step)[0] for step in range(3)],
    "batch": call(f"{API}/runs/log-batch", {"run_id": RUN, "tags": [{"key": "kind", "value": "trial"}]})[0],
    "own": call(f"{API}/runs/get?run_id={RUN}")[1]["run"]["data"]["params"],
    "elsewhere": [call(path)[0] for path in ("/v1/whoami", "/v1/training-runs/" + RUN, f"{API}/../../../v1/whoami", "/healthz", "/docs/json")],
    "network": connects(("127.0.0.1", params["port"])),
    "hasChildren": len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()) > 0,
    "tokenInArguments": any(
        TOKEN.encode() in (process / "cmdline").read_bytes() for process in Path("/proc").glob("[0-9]*") if os.access(process / "cmdline", os.R_OK)
    ),
}
print(json.dumps(found), flush=True)
if params.get("waits"):
    # Told to stop, it still says so: what forwards its calls must not have ended before it.
    signal.signal(signal.SIGTERM, lambda *_: (print("last", log("last", 1)[0], flush=True), sys.exit(75)))
    print("waiting", flush=True)
    time.sleep(60)
output = Path(os.environ["PORTOLAN_OUTPUT"])
(output / "metrics.json").write_text("{}")
(output / "model.onnx").write_text("model")
