create schema if not exists pipelines;

-- Every version of every pipeline; a run goes by the one that it began with.
create table pipelines.definitions (
  organisation_id text not null,
  environment text not null,
  name text not null,
  version bigint not null,
  use_case_id text not null,
  digest text not null,
  definition jsonb not null,
  published_by text not null,
  published_at bigint not null,
  -- Who scheduled runs are begun for, as they called.
  call jsonb not null,
  -- Of the newest version alone: when its schedule begins the next run.
  next_run_at bigint,
  primary key (organisation_id, environment, name, version)
);
create index definitions_due on pipelines.definitions (organisation_id, next_run_at) where next_run_at is not null;

create table pipelines.runs (
  id text primary key,
  organisation_id text not null,
  environment text not null,
  use_case_id text not null,
  pipeline text not null,
  version bigint not null,
  digest text not null,
  model text not null,
  -- The stages with the values of their parameters: what is published meanwhile is for later runs.
  stages jsonb not null,
  parameters jsonb not null,
  cause text not null check (cause in ('manual', 'schedule')),
  priority bigint not null,
  -- Whoever asked for it, as they called: each stage is done with their rights.
  call jsonb not null,
  state text not null check (state in ('running', 'succeeded', 'refused', 'failed', 'cancelled')),
  -- The stage that is under way, from 0 on.
  at bigint not null,
  standings jsonb not null,
  made jsonb not null,
  -- Digests of what the stages were done from, by kind.
  keys jsonb not null,
  -- Of the calls of the present try that failed, and when the next one is due.
  faults bigint not null,
  not_before bigint,
  problem text,
  cancel_reason text,
  -- Counts its changes: two that look at it at once do not both move it.
  revision bigint not null,
  requested_by text not null,
  started_at bigint not null,
  ended_at bigint
);
create index runs_open on pipelines.runs (organisation_id, priority desc, started_at) where ended_at is null;
create index runs_by_pipeline on pipelines.runs (organisation_id, environment, pipeline, started_at desc);

-- What was made from which inputs, in one use case and environment: the same again need not be made again.
create table pipelines.results (
  organisation_id text not null,
  environment text not null,
  use_case_id text not null,
  kind text not null,
  key text not null,
  run_id text not null,
  made jsonb not null,
  made_at bigint not null,
  primary key (organisation_id, environment, use_case_id, kind, key)
);
