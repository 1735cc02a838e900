"""A fast trainer that honours the trainer contract with the standard library alone.

Its "model" is a chain of hashes over data, params and seed, one link per round: any round that is lost, repeated or fed with other
inputs gives other bytes.
"""
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

stopping = False
# Written by a test that wants the trainer to stay in a round until it is told to stop; no input, so that the model is the same.
HOLD = Path(os.environ["PORTOLAN_CHECKPOINT"]) / "hold"


def stop(_signal, _frame):
    global stopping
    stopping = True


def main():
    spec = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())
    params = spec["params"]
    mode = params.get("mode", "train")
    if mode != "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN if params.get("deaf") else stop)
    output, checkpoints = Path(os.environ["PORTOLAN_OUTPUT"]), Path(os.environ["PORTOLAN_CHECKPOINT"])
    if mode == "environment":
        print(json.dumps(dict(os.environ)), flush=True)
    if mode == "network":
        print(reach(params["port"]), flush=True)
    while mode == "spin":
        pass
    if mode == "fail":
        sys.exit("no luck today")
    if mode == "crash":
        print("on the way to a bad address", flush=True)
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        signal.raise_signal(signal.SIGSEGV)
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # One child in the group, one that leaves it.
        for detached in (False, True):
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=detached)
        print("stubborn", flush=True)
        time.sleep(600)
    data = Path(os.environ["PORTOLAN_TRAINING_SET"]).read_bytes()
    if "PORTOLAN_BASE_MODEL" in os.environ:
        data += Path(os.environ["PORTOLAN_BASE_MODEL"]).read_bytes()
    start = hashlib.sha256(data + json.dumps(spec, sort_keys=True).encode()).hexdigest()
    kept = checkpoints / "state.json"
    state = json.loads(kept.read_text()) if kept.exists() else {"round": 0, "chain": start}
    print(f"starts at {state['round']}", flush=True)
    while state["round"] < params.get("rounds", 5):
        state = {"round": state["round"] + 1, "chain": hashlib.sha256(f"{state['chain']} {state['round']}".encode()).hexdigest()}
        part = checkpoints / "state.json.part"
        part.write_text(json.dumps(state))
        part.rename(kept)
        print(f"round {state['round']}", flush=True)
        # Stays in a round until it is told to stop, or to go on.
        while params.get("hold") == state["round"] and not stopping and not (checkpoints / "go").exists():
            time.sleep(0.01)
        while HOLD.exists() and int(HOLD.read_text()) == state["round"] and not stopping:
            time.sleep(0.01)
        if stopping:
            sys.exit(75)
        time.sleep(params.get("pause", 0))
    write(output / "metrics.json", "{\"auc\": NaN}" if mode == "nan" else json.dumps({"rounds": state["round"]}))
    if mode == "link":
        os.symlink(os.environ["PORTOLAN_PARAMS"], output / "model.onnx")
    elif mode != "nothing":
        write(output / "model.onnx", state["chain"])


def reach(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return "reached"
    except OSError as error:
        return f"blocked {error}"


def write(path, text):
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.rename(path)


main()
