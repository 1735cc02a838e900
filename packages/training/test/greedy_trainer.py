"""A trainer that takes too much: of memory by many processes, of disk by many files, of one file, or of processes."""
import json
import os
import sys
import time
from pathlib import Path

params = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())["params"]
mebibyte = 2**20


def memory():
    for _ in range(params["processes"]):
        if os.fork() == 0:
            kept = bytearray(params["bytes"])
            for place in range(0, len(kept), 4096):
                kept[place] = 1
            time.sleep(600)
    time.sleep(600)


def disk():
    for number in range(params["files"]):
        (Path(os.environ[params["where"]]) / str(number)).write_bytes(b"x" * mebibyte)
    time.sleep(600)


def processes():
    try:
        for _ in range(5_000):
            if os.fork() == 0:
                time.sleep(600)
    except BlockingIOError:
        sys.exit("no more processes")


{"memory": memory, "disk": disk, "processes": processes}[params["mode"]]()
