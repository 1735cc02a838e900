"""A trainer that tries what none should: prints one line of JSON with what succeeded, then ends as a good one does.

`targets` in its params names what to try on; each entry of the answer is true when the attempt succeeded.
"""
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

params = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())["params"]


def succeeds(attempt):
    try:
        return bool(attempt())
    except (OSError, ValueError):
        return False


def connects(address, family):
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(3)
        client.connect(address)
        return True


def writes(path):
    with open(path, "ab") as file:
        file.write(b"x")
    return True


def unmounts():
    """Takes the cover off: by itself, and as root of a user namespace of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    for flags in (0, 0x10000000 | 0x00020000):
        if flags:
            libc.unshare(flags)
        libc.umount2(params["home"].encode(), 2)
        if os.path.exists(params["key"]):
            return True
    return False


def stays():
    """A daemon that has left its session, and carries no variable to be found by."""
    child = subprocess.Popen(
        [sys.executable, "-c", f"import os, time; open({params['daemonMark']!r}, 'w').write(str(os.getpid())); time.sleep(600)"],
        start_new_session=True, env={"PORTOLAN_HOSTILE": params["mark"]}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    return child.pid > 0


found = {
    "readsKey": succeeds(lambda: Path(params["key"]).read_bytes()),
    "listsHome": succeeds(lambda: "keys" in os.listdir(params["home"])),
    "readsOtherRun": succeeds(lambda: Path(params["otherRun"]).read_bytes()),
    "readsOtherObject": succeeds(lambda: Path(params["otherObject"]).read_bytes()),
    "readsServerEnvironment": succeeds(lambda: Path(f"/proc/{params['server']}/environ").read_bytes()),
    "killsServer": succeeds(lambda: os.kill(params["server"], signal.SIGTERM) is None),
    "opensDatabaseSocket": succeeds(lambda: connects(params["socket"], socket.AF_UNIX)),
    "opensNetwork": succeeds(lambda: connects(("127.0.0.1", params["port"]), socket.AF_INET)),
    "writesEnvironment": succeeds(lambda: writes(params["environmentFile"])),
    "writesProgram": succeeds(lambda: writes(__file__)),
    "readsPrivateFile": succeeds(lambda: Path(params["privateFile"]).read_bytes()),
    "hasPrivileges": succeeds(lambda: int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")), 16)),
    "unmounts": succeeds(unmounts),
    "startsDaemon": succeeds(stays),
}
readable = {
    "trainingSet": succeeds(lambda: Path(os.environ["PORTOLAN_TRAINING_SET"]).read_bytes()),
    "environment": succeeds(lambda: Path(params["environmentFile"]).read_bytes()),
}
print(json.dumps({"found": found, "readable": readable}), flush=True)
output = Path(os.environ["PORTOLAN_OUTPUT"])
(output / "metrics.json").write_text("{}")
(output / "model.onnx").write_text("model")
