-- A name may be taken before its first version, which says whose use case it is.
alter table registry.models
  alter column use_case_id drop not null,
  add column created_by text,
  add column description text not null default '',
  add column tags jsonb not null default '[]';

-- What MLflow's clients say of a version, beside what is signed of it.
create table registry.version_notes (
  version_id text primary key references registry.versions (id),
  description text not null default '',
  tags jsonb not null default '[]',
  -- The logged model that it was registered from, its run, and where its files are.
  logged_model_id text,
  run_id text,
  source text,
  updated_at bigint not null
);

-- Labels without a meaning for what is served; where a version is promoted stands in promotions alone.
create table registry.aliases (
  organisation_id text not null,
  model text not null,
  alias text not null,
  version bigint not null,
  set_by text not null,
  set_at bigint not null,
  primary key (organisation_id, model, alias),
  foreign key (organisation_id, model, version) references registry.versions (organisation_id, model, version)
);
