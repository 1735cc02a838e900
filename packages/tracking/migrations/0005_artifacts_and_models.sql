-- Files that were logged to a run, by name. Their bytes are content-addressed objects, which the registry's catalogue says who holds.
create table tracking.artifacts (
  run_id text not null,
  -- The logged model whose file it is; empty for a file of the run itself.
  model_id text not null default '',
  path text not null,
  digest text not null,
  size_bytes bigint not null,
  logged_by text not null,
  logged_at bigint not null,
  primary key (run_id, model_id, path)
);

-- Models that were logged: each belongs to a run, and is under its rights.
create table tracking.logged_models (
  id text primary key,
  run_id text not null,
  organisation_id text not null,
  experiment_id text not null,
  name text not null,
  model_type text,
  status text not null check (status in ('LOGGED_MODEL_PENDING', 'LOGGED_MODEL_READY', 'LOGGED_MODEL_UPLOAD_FAILED')),
  params jsonb not null,
  tags jsonb not null,
  created_at bigint not null,
  updated_at bigint not null,
  deleted_at bigint
);
create index on tracking.logged_models (organisation_id, experiment_id, created_at);
create index on tracking.logged_models (run_id);

-- Which models a run says it made, and at which step.
create table tracking.run_outputs (
  run_id text not null,
  model_id text not null,
  step bigint not null,
  primary key (run_id, model_id)
);

-- The greatest point of each metric of a model by (step, timestamp, value), on each data set; empty: on none that was named.
create table tracking.model_metrics (
  model_id text not null,
  key text not null,
  dataset_name text not null,
  dataset_digest text not null,
  run_id text not null,
  value double precision not null,
  timestamp_ms bigint not null,
  step bigint not null,
  primary key (model_id, key, dataset_name, dataset_digest)
);
