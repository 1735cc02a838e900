create schema if not exists retraining;

-- What people state of an endpoint beside its charter.
create table retraining.policies (
  organisation_id text not null,
  environment text not null,
  endpoint text not null,
  policy jsonb not null,
  set_by text not null,
  set_at bigint not null,
  primary key (organisation_id, environment, endpoint)
);

-- What is wrong with a version at an endpoint, from when it opened until it closed: between the two levels it stays as it is.
create table retraining.incidents (
  organisation_id text not null,
  environment text not null,
  endpoint text not null,
  model text not null,
  version bigint not null,
  kind text not null check (kind in ('accuracy', 'drift')),
  opened_at bigint not null,
  evidence jsonb not null,
  primary key (organisation_id, environment, endpoint, kind)
);

create table retraining.retrainings (
  id text primary key,
  organisation_id text not null,
  environment text not null,
  endpoint text not null,
  use_case_id text not null,
  business_unit_id text not null,
  team_id text,
  model text not null,
  champion_version bigint not null,
  state text not null,
  cause jsonb not null,
  -- As they were when it began: what it is held to.
  terms jsonb not null,
  requested_by text not null,
  -- Ids of what was made on the way.
  made jsonb not null,
  moves jsonb not null,
  reasons jsonb not null,
  approved_by text,
  approved_at bigint,
  -- Tries of the present step that failed.
  faults integer not null,
  problem text,
  started_at bigint not null,
  ended_by text,
  ended_at bigint
);
create unique index one_retraining_per_use_case on retraining.retrainings (organisation_id, use_case_id)
  where ended_at is null;
create index retrainings_by_endpoint on retraining.retrainings (organisation_id, environment, endpoint, started_at desc);
create index retrainings_open on retraining.retrainings (organisation_id) where ended_at is null;
