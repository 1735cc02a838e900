create schema if not exists scoring;

-- One scoring of one snapshot; its manifest, once it is ready, never changes.
create table scoring.runs (
  id text primary key,
  organisation_id text not null,
  environment text not null,
  use_case_id text not null,
  name text not null,
  request jsonb not null,
  plan jsonb not null,
  job text not null,
  state text not null check (state in ('waiting', 'running', 'ready', 'failed', 'cancelled')),
  manifest jsonb,
  failure text,
  started_by text not null,
  started_at bigint not null,
  finished_at bigint
);
create index runs_by_name on scoring.runs (organisation_id, name, started_at desc);

-- One row per chunk, added in the transaction of its step: exactly one, however often the process died.
create table scoring.chunks (
  run_id text not null references scoring.runs (id),
  chunk bigint not null,
  first_row bigint not null,
  rows bigint not null,
  refused bigint not null,
  object text not null,
  cpu_micros bigint not null,
  scored_at bigint not null,
  primary key (run_id, chunk)
);

-- What other packages may read of scored snapshots.
create view scoring.scored_v1 as
  select id, organisation_id, environment, use_case_id, name, manifest ->> 'object' as object, manifest, finished_at
  from scoring.runs where state = 'ready';
