create schema if not exists registry;

create table registry.models (
  organisation_id text not null,
  name text not null,
  use_case_id text not null,
  -- The next free version number; the row is locked while a version is added, so numbers are dense.
  next_version bigint not null default 1,
  created_at bigint not null,
  primary key (organisation_id, name)
);

create table registry.versions (
  id text primary key,
  organisation_id text not null,
  model text not null,
  version bigint not null,
  use_case_id text not null,
  artifact text not null,
  size_bytes bigint not null,
  bundle text not null,
  signing_key_id text not null,
  signed_at bigint not null,
  signature jsonb not null,
  lineage jsonb not null,
  lineage_digest text not null,
  created_by text not null,
  created_at bigint not null,
  unique (organisation_id, model, version),
  unique (organisation_id, model, artifact, lineage_digest),
  foreign key (organisation_id, model) references registry.models (organisation_id, name)
);

-- History of promotions: rows are only added; the newest row per model and environment is the promoted version.
create table registry.promotions (
  id bigint generated always as identity primary key,
  organisation_id text not null,
  model text not null,
  environment text not null,
  version_id text not null references registry.versions (id),
  promoted_by text not null,
  promoted_at bigint not null
);
create index promotions_newest on registry.promotions (organisation_id, model, environment, id desc);

create view registry.promoted_v1 as
select distinct on (p.organisation_id, p.model, p.environment)
  p.organisation_id, p.model, p.environment, p.version_id, v.version, v.use_case_id, v.artifact, v.bundle,
  v.signing_key_id, v.signed_at, v.signature, v.lineage, p.promoted_at
from registry.promotions p join registry.versions v on v.id = p.version_id
order by p.organisation_id, p.model, p.environment, p.id desc;

-- Who holds which bytes, where. The object store keeps equal bytes once for all; without a row here nobody reads them.
-- Null team and use case: the organisation as a whole.
create table registry.artifact_references (
  organisation_id text not null,
  digest text not null,
  environment text not null,
  team_id text,
  use_case_id text,
  kind text not null,
  noted_by text not null,
  noted_at bigint not null,
  unique nulls not distinct (organisation_id, digest, environment, team_id, use_case_id, kind)
);
