#!/usr/bin/env python3
"""Writes requirements-3.<minor>.lock for every supported Python from requirements.in.

The versions are what pip resolves today with wheels alone; the hashes are those of every wheel of that version which
fits the minor (all platforms), so one lock serves Linux and macOS. A lock names no index: pip takes the one it is set to.

Usage: relock.py [FOLDER] [3.MINOR …]; without a folder the one that this file is in.
"""
import json, re, subprocess, sys, urllib.request
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin

ASKED = sys.argv[1:]
HERE = Path(ASKED.pop(0)).resolve() if ASKED and Path(ASKED[0]).is_dir() else Path(__file__).resolve().parent
MINORS = ["3.10", "3.11", "3.12", "3.13", "3.14"]


def index_url():
    done = subprocess.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True)
    if not done.stdout.strip():
        sys.exit("Set pip's index first: pip config set global.index-url <address>")
    return done.stdout.strip().rstrip("/") + "/"


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        if tag == "a":
            self.found.append(dict(attributes).get("href", ""))


def wheels(project, version, minor):
    """(file name, sha256) of the wheels of a version that fit this Python minor."""
    page = urllib.request.urlopen(urljoin(index_url(), project + "/")).read().decode()
    links = Links()
    links.feed(page)
    tag = "cp" + minor.replace(".", "")
    for link in links.found:
        name = unquote(link.split("#")[0].rsplit("/", 1)[-1])
        parts = name.removesuffix(".whl").split("-")
        digest = re.search(r"sha256=([0-9a-f]{64})", link)
        if not name.endswith(".whl") or not digest or parts[1] != version:
            continue
        python, abi = parts[-3], parts[-2]
        older_abi3 = abi == "abi3" and any(int(p[3:]) <= int(minor[2:]) for p in python.split(".") if p.startswith("cp3"))
        if (python == tag and abi == tag) or older_abi3 or "py3" in python.split("."):
            yield name, digest.group(1)


def lock(minor):
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--only-binary=:all:",
               "--python-version", minor, "--target", "unused", "--report", "-", "-r", str(HERE / "requirements.in")]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    lines = [f"# Python {minor}. Written by relock.py from requirements.in; install with --require-hashes --no-deps."]
    for item in sorted(report["install"], key=lambda i: i["metadata"]["name"].lower()):
        name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
        version = item["metadata"]["version"]
        hashes = sorted({digest for _, digest in wheels(name, version, minor)})
        if not hashes:
            raise SystemExit(f"{name} {version} has no wheel for Python {minor}")
        lines.append(" \\\n".join([f"{name}=={version}"] + [f"    --hash=sha256:{digest}" for digest in hashes]))
    (HERE / f"requirements-{minor}.lock").write_text("\n".join(lines) + "\n")
    print(minor, [line.split(" ")[0] for line in lines[1:]])


for minor in ASKED or MINORS:
    lock(minor)
