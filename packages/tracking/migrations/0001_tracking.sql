create schema if not exists tracking;

-- What a trainer says of its run. The run itself, and how it ended, is training's.
create table tracking.runs (
  run_id text primary key,
  organisation_id text not null,
  environment text not null,
  use_case_id text,
  reported_status text check (reported_status in ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
  reported_end_ms bigint,
  -- Of everything that was ever logged to it: the bound of what one trainer may store.
  logged_bytes bigint not null default 0,
  -- The credential of the attempt that runs now; none once the run has settled.
  token_sha256 text,
  token_principal_id text,
  token_expires_at bigint
);
create index on tracking.runs (organisation_id, use_case_id, environment);

create table tracking.params (
  run_id text not null,
  key text not null,
  value text not null,
  primary key (run_id, key)
);

create table tracking.tags (
  run_id text not null,
  key text not null,
  value text not null,
  primary key (run_id, key)
);

-- The greatest point of each metric by (step, timestamp, value).
create table tracking.latest_metrics (
  run_id text not null,
  key text not null,
  value double precision not null,
  timestamp_ms bigint not null,
  step bigint not null,
  primary key (run_id, key)
);

-- All points of one request. Point i is keys[key_of[i]], point_values[i], timestamps_ms[i], steps[i]; key_of counts from 1.
create table tracking.metric_blocks (
  run_id text not null,
  -- Of the points: a request that is sent again is the same block.
  digest text not null,
  keys text[] not null,
  key_of integer[] not null,
  point_values double precision[] not null,
  timestamps_ms bigint[] not null,
  steps bigint[] not null,
  logged_at bigint not null,
  primary key (run_id, digest)
);

create table tracking.inputs (
  run_id text not null,
  name text not null,
  digest text not null,
  source_type text not null,
  source text not null,
  schema text,
  profile text,
  tags jsonb not null,
  primary key (run_id, name, digest)
);
