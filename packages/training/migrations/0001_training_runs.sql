create schema if not exists training;

create table training.runs (
  id text primary key,
  organisation_id text not null,
  environment text not null,
  use_case_id text,
  request jsonb not null,
  state text not null check (state in ('waiting', 'running', 'succeeded', 'failed', 'cancelled')),
  result jsonb,
  failure text,
  started_by text not null,
  started_at bigint not null,
  finished_at bigint
);
