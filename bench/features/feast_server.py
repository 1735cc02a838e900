"""Feature views with values online, and Feast's own feature server over them: folder, views, features of each, entities, port."""

import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64

folder = Path(sys.argv[1])
views, features, entities, port = (int(text) for text in sys.argv[2:6])
(folder / "feature_store.yaml").write_text(
    f"""project: bench
provider: local
registry: {folder / "registry.db"}
online_store: {{ type: sqlite, path: {folder / "online.db"} }}
offline_store: {{ type: dask }}
entity_key_serialization_version: 3
"""
)
entity = Entity(name="entity", join_keys=["entity_id"])
now = datetime.now(timezone.utc)
defined = []
for view in range(views):
    names = [f"v{view}_f{index}" for index in range(features)]
    columns = {name: [(row * features + index) / 7 for row in range(entities)] for index, name in enumerate(names)}
    frame = pd.DataFrame(columns)
    frame["entity_id"] = [f"e{index}" for index in range(entities)]
    frame["event_timestamp"] = now - timedelta(minutes=1)
    frame.to_parquet(folder / f"view{view}.parquet")
    defined.append(
        FeatureView(
            name=f"v{view}",
            entities=[entity],
            ttl=timedelta(hours=1),
            schema=[Field(name=name, dtype=Float64) for name in names],
            source=FileSource(path=str(folder / f"view{view}.parquet"), timestamp_field="event_timestamp"),
        )
    )
store = FeatureStore(repo_path=str(folder))
store.apply([entity, *defined, FeatureService(name="bench", features=defined)])
store.materialize(now - timedelta(hours=1), now)
feast = Path(sys.executable).parent / "feast"
options = ["--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--workers", "1", "--keep-alive-timeout", "65"]
options += ["--registry_ttl_sec", "600", "--max-requests", "100000000"]
server = subprocess.Popen([feast, "-c", folder, "serve", *options])
print("serving", flush=True)
sys.stdin.read()
server.terminate()
server.wait()
