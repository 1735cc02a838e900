create schema if not exists data;

-- A published contract version never changes: another text under the same version is refused.
-- A name belongs to the place of its first version: a use case, a team, or (both null) the organisation.
create table data.contracts (
  id text primary key,
  organisation_id text not null,
  team_id text,
  use_case_id text,
  name text not null,
  version text not null,
  digest text not null,
  document text not null,
  body jsonb not null,
  published_by text not null,
  published_at bigint not null,
  unique (organisation_id, name, version)
);

create table data.ingestions (
  id text primary key,
  organisation_id text not null,
  contract_id text not null references data.contracts (id),
  contract text not null,
  environment text not null,
  use_case_id text,
  sources jsonb not null,
  as_of bigint,
  state text not null check (state in ('waiting', 'running', 'published', 'refused', 'failed', 'cancelled')),
  source_digest text,
  counts jsonb,
  rules jsonb,
  failures jsonb,
  dataset_id text,
  quarantine text,
  dead_letters text,
  started_by text not null,
  started_at bigint not null,
  finished_at bigint
);
create index ingestions_by_source on data.ingestions (organisation_id, contract_id, environment, source_digest);

-- An immutable snapshot: the manifest of one content-addressed Parquet object.
create table data.datasets (
  id text primary key,
  organisation_id text not null,
  contract text not null,
  contract_digest text not null,
  environment text not null,
  use_case_id text,
  object text not null,
  size_bytes bigint not null,
  source_digest text not null,
  row_count bigint not null,
  columns jsonb not null,
  event_time text,
  min_event_time bigint,
  max_event_time bigint,
  ingestion_id text not null,
  published_at bigint not null
);
create index datasets_by_contract on data.datasets (organisation_id, contract, published_at);

-- What other packages may read of datasets.
create view data.datasets_v1 as
  select id, organisation_id, contract, contract_digest, environment, use_case_id, object, row_count, columns, event_time, min_event_time, max_event_time, published_at
  from data.datasets;

-- Columns that a published contract gives its datasets, for expressions over them.
create view data.contract_columns_v1 as
  select organisation_id, team_id, use_case_id, name, version, body -> 'columns' as columns, published_at from data.contracts;
