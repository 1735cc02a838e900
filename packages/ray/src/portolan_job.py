"""The driver of a training run that is a job of a Ray cluster: gives the program what the trainer contract names, and brings back what it leaves.

It runs in the folder of the job's package, with the Python of the job's environment. Standard library only; Ray is asked for its version alone.
"""
import hashlib
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

CREDENTIAL_REFUSED = 77  # the exit code by which the server knows it
GRACE_SECONDS = 20
FOLDER = "portolan"
here = Path.cwd()
job = json.loads((here / "portolan-job.json").read_text())
token_file = here / "portolan-token"
token = token_file.read_text().strip()
token_file.unlink()  # of this node's copy: the program gets it by its environment


def say(text):
    print(f"portolan: {text}", flush=True)


def call(method, path, body=None, headers=None):
    """Asks the server until it answers: it may be starting anew just now. Resolves to the answer's body and headers."""
    deadline = time.monotonic() + job["answer_seconds"]
    pause = 0.5
    while True:
        data = open(body, "rb") if isinstance(body, Path) else body
        length = {"Content-Length": str(body.stat().st_size)} if isinstance(body, Path) else {}
        request = urllib.request.Request(
            job["control_url"] + path,
            data,
            {"Authorization": f"Bearer {token}", **length, **(headers or {})},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.read(2**20), answer.headers
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                say(f"the run's credential was not taken any more ({error.code})")
                sys.exit(CREDENTIAL_REFUSED)
            if error.code < 500 and error.code != 429:
                say(f"{method} {path} was answered {error.code}: {error.read(500).decode('utf8', 'replace')}")
                sys.exit(1)
            why = f"answered {error.code}"
        except OSError as error:
            why = str(error)
        finally:
            if isinstance(body, Path):
                data.close()
        if time.monotonic() > deadline:
            say(f"{job['control_url']} cannot be reached: {why}")
            sys.exit(1)
        time.sleep(pause)
        pause = min(pause * 2, 15)


def artifacts_root():
    query = urllib.parse.urlencode({"run_id": job["run_id"]})
    body, _ = call("GET", f"/api/2.0/mlflow/runs/get?{query}")
    return json.loads(body)["run"]["info"]["artifact_uri"].replace("mlflow-artifacts:/", "", 1)


def digest_of(path):
    with open(path, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def digest_in_parts(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return "sha256:" + digest.hexdigest()


def upload(root, name, path):
    digest = (digest_of if hasattr(hashlib, "file_digest") else digest_in_parts)(path)
    address = f"/api/2.0/mlflow-artifacts/artifacts/{root}/{FOLDER}/{name}"
    _, headers = call("PUT", address, path, {"Content-Type": "application/octet-stream"})
    stored = (headers.get("ETag") or "").strip('"')
    if stored != digest:
        say(f"{name} is {digest}, and {stored} was stored: it was changed on the way")
        sys.exit(1)
    return {"digest": digest, "sizeBytes": path.stat().st_size}


def limit():
    """Of the driver alone: what Ray's workers use, the cluster bounds."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (job["cpu_seconds"], job["cpu_seconds"] + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (job["disk_bytes"], job["disk_bytes"]))


def run_program(work):
    places = {name: work / name for name in ("output", "checkpoint", "scratch")}
    for place in places.values():
        place.mkdir(mode=0o700)
    threads = str(job["threads"])
    given = {
        "HOME": str(places["scratch"]),
        "TMPDIR": str(places["scratch"]),
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PORTOLAN_TRAINING_SET": str(here / "training-set.parquet"),
        "PORTOLAN_PARAMS": str(here / "params.json"),
        "PORTOLAN_OUTPUT": str(places["output"]),
        "PORTOLAN_CHECKPOINT": str(places["checkpoint"]),
        "MLFLOW_TRACKING_URI": job["control_url"],
        "MLFLOW_RUN_ID": job["run_id"],
        "MLFLOW_TRACKING_TOKEN": token,
    }
    if job["has_base_model"]:
        given["PORTOLAN_BASE_MODEL"] = str(here / "base-model.onnx")
    program = subprocess.Popen(
        [sys.executable, str(here / "train.py")],
        env={**os.environ, **given},
        preexec_fn=limit,
    )
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _frame: program.send_signal(number))
    try:
        return program.wait(timeout=job["timeout_seconds"]), places["output"]
    except subprocess.TimeoutExpired:
        say("the trainer took longer than its limit")
        program.terminate()
        try:
            program.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
        sys.exit(1)


def plain(path):
    if path.is_symlink() or not path.is_file() or path.stat().st_size == 0:
        say(f"the trainer left no {path.name}")
        sys.exit(1)
    return path


def main():
    minor = "%d.%d" % sys.version_info[:2]
    if minor != job["python"]:
        say(f"this is Python {minor}, and RAY_PYTHON says that the cluster has {job['python']}")
        sys.exit(1)
    import ray

    work = Path(tempfile.mkdtemp(prefix="portolan-"))
    try:
        code, output = run_program(work)
        if code != 0:
            # 77 is this program's own word.
            sys.exit(128 - code if code < 0 else 1 if code == CREDENTIAL_REFUSED else code)
        model, metrics = plain(output / "model.onnx"), plain(output / "metrics.json")
        root = artifacts_root()
        manifest = {
            "run": job["run_id"],
            "python": platform.python_version(),
            "ray": ray.__version__,
            "model": upload(root, "model.onnx", model),
            "metrics": upload(root, "metrics.json", metrics),
        }
        # Last: whoever finds it finds all.
        path = work / "manifest.json"
        path.write_text(json.dumps(manifest))
        upload(root, "manifest.json", path)
        say("model and metrics are stored")
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
