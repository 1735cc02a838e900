"""Point-in-time join of three feature views by Feast's file store: folder, number of views, ttl in days. Prints one JSON line."""

import json
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Int64

folder, views, days = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store = FeatureStore(
    config=RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store={"type": "dask"},
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
)
entity = Entity(name="entity", join_keys=["entity_id"])
defined = [
    FeatureView(
        name=f"view{index}",
        entities=[entity],
        ttl=timedelta(days=days),
        schema=[Field(name=f"a{index}", dtype=Int64), Field(name=f"b{index}", dtype=Int64)],
        source=FileSource(
            path=str(folder / f"view{index}.parquet"),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
        ),
    )
    for index in range(views)
]
store.apply([entity, *defined])
started = time.perf_counter()
result = store.get_historical_features(
    entity_df=pd.read_parquet(folder / "entities.parquet"),
    features=[f"view{index}:{letter}{index}" for index in range(views) for letter in "ab"],
).to_df()
result.to_parquet(folder / "feast.parquet")
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "rows": len(result), "peakBytes": peak}))
