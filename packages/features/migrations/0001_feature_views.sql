create schema if not exists features;

-- A name belongs to the place of its first version: a use case, a team, or (both null) the organisation.
create table features.views (
  id text primary key,
  organisation_id text not null,
  team_id text,
  use_case_id text,
  name text not null,
  version bigint not null,
  digest text not null,
  document text not null,
  body jsonb not null,
  published_by text not null,
  published_at bigint not null,
  unique (organisation_id, name, version)
);

create table features.training_sets (
  id text primary key,
  organisation_id text not null,
  environment text not null,
  use_case_id text,
  request jsonb not null,
  state text not null check (state in ('waiting', 'running', 'ready', 'failed', 'cancelled')),
  manifest jsonb,
  failure text,
  started_by text not null,
  started_at bigint not null,
  finished_at bigint
);

create table features.materializations (
  id text primary key,
  organisation_id text not null,
  environment text not null,
  team_id text,
  use_case_id text,
  view text not null,
  view_digest text not null,
  dataset_id text not null,
  as_of bigint not null,
  state text not null check (state in ('waiting', 'running', 'done', 'failed', 'cancelled')),
  key_count bigint,
  failure text,
  started_at bigint not null,
  finished_at bigint
);

-- What other packages may read of training sets that are ready.
create view features.training_sets_v1 as
  select id, organisation_id, environment, use_case_id, manifest ->> 'object' as object, manifest -> 'features' as features,
    manifest ->> 'label' as label, manifest
  from features.training_sets where state = 'ready';
