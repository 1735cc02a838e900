"""Point-in-time join of three feature views by Polars' join_asof: folder, number of views, ttl in days. Prints one JSON line."""

import json
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path

import polars as pl

folder, views, days = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
started = time.perf_counter()
result = pl.read_parquet(folder / "entities.parquet").sort("event_timestamp")
for index in range(views):
    view = pl.read_parquet(folder / f"view{index}.parquet").drop("created").sort("event_timestamp")
    result = result.join_asof(
        view, on="event_timestamp", by="entity_id", strategy="backward", tolerance=timedelta(days=days)
    )
result.write_parquet(folder / "polars.parquet", compression="zstd")
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "rows": len(result), "peakBytes": peak}))
