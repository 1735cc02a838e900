#!/usr/bin/env python3
"""Writes a CSV file with a column `at` before its own: one minute a row from 1 January 2020, in the order of the file.

The source says of no row when it was. These times say where a row stands, and nothing of the world: what is held out as "later"
is what comes later in the file.

Usage: with-times.py SOURCE TARGET
"""
import csv
import sys
from datetime import datetime, timedelta

START = datetime(2020, 1, 1)

# utf-8-sig: one of the sources begins with a byte order mark.
with open(sys.argv[1], encoding="utf-8-sig", newline="") as source, open(sys.argv[2], "w", encoding="utf-8", newline="") as target:
    rows, out = csv.reader(source), csv.writer(target, lineterminator="\n")
    out.writerow(["at", *next(rows)])
    for place, row in enumerate(rows):
        out.writerow([(START + timedelta(minutes=place)).isoformat() + "Z", *row])
