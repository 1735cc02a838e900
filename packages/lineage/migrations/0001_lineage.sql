create schema if not exists lineage;

-- Who may read a statement: whoever may do `action` on a `resource` at this place. Everything below belongs to one.
create table lineage.audiences (
  id bigint generated always as identity primary key,
  organisation_id text not null,
  action text not null,
  resource text not null,
  environment text,
  team_id text,
  use_case_id text,
  unique nulls not distinct (organisation_id, action, resource, environment, team_id, use_case_id)
);

-- Events as they came, of other tools and of our own; the same one again adds nothing.
create table lineage.events (
  id bigint generated always as identity primary key,
  organisation_id text not null,
  audience_id bigint not null references lineage.audiences (id),
  digest text not null,
  kind text not null check (kind in ('run', 'job', 'dataset')),
  event_at bigint not null,
  body jsonb not null,
  received_at bigint not null,
  unique (audience_id, digest)
);
create index events_newest on lineage.events (organisation_id, id desc);

create table lineage.datasets (
  id bigint generated always as identity primary key,
  organisation_id text not null,
  namespace text not null,
  name text not null,
  unique (organisation_id, namespace, name)
);
create index datasets_by_name on lineage.datasets (organisation_id, name);

create table lineage.jobs (
  id bigint generated always as identity primary key,
  organisation_id text not null,
  namespace text not null,
  name text not null,
  unique (organisation_id, namespace, name)
);
create index jobs_by_name on lineage.jobs (organisation_id, name);

-- A node is seen by whoever may read a statement that mentions it.
create table lineage.mentions (
  dataset_id bigint not null references lineage.datasets (id),
  audience_id bigint not null references lineage.audiences (id),
  primary key (dataset_id, audience_id)
);

-- What a job read and wrote together. Runs that read and wrote the same share one, so that the graph grows with what there is and not with
-- how often it ran.
create table lineage.flows (
  id bigint generated always as identity primary key,
  audience_id bigint not null references lineage.audiences (id),
  job_id bigint not null references lineage.jobs (id),
  digest text not null,
  unique (audience_id, job_id, digest)
);
create index flows_by_job on lineage.flows (job_id);

create table lineage.flow_datasets (
  flow_id bigint not null references lineage.flows (id) on delete cascade,
  direction text not null check (direction in ('input', 'output')),
  dataset_id bigint not null references lineage.datasets (id),
  primary key (flow_id, direction, dataset_id)
);
create index flow_datasets_by_dataset on lineage.flow_datasets (dataset_id, direction);

create table lineage.runs (
  id bigint generated always as identity primary key,
  organisation_id text not null,
  audience_id bigint not null references lineage.audiences (id),
  -- A UUID; or `job` for what an event stated of the job itself.
  run_id text not null,
  job_id bigint not null references lineage.jobs (id),
  state text not null check (state in ('stated', 'running', 'completed', 'failed', 'aborted')),
  flow_id bigint references lineage.flows (id),
  started_at bigint,
  ended_at bigint,
  unique (audience_id, job_id, run_id)
);
create index runs_by_id on lineage.runs (organisation_id, run_id);
create index runs_by_job on lineage.runs (job_id, id desc);
create index runs_by_flow on lineage.runs (flow_id);

-- The newest word of each facet, by event time; a facet that was deleted stays as a null, so that an older event does not bring it back.
create table lineage.facets (
  owner text not null check (owner in ('dataset', 'input', 'output', 'job', 'run')),
  owner_id bigint not null,
  audience_id bigint not null references lineage.audiences (id),
  name text not null,
  body jsonb,
  event_at bigint not null,
  -- Below the microsecond, 0 to 999.
  event_nanos integer not null,
  primary key (owner, owner_id, audience_id, name)
);

-- The columnLineage facets, to be followed both ways. `field` is null where the whole dataset depends on it.
create table lineage.column_edges (
  audience_id bigint not null references lineage.audiences (id),
  dataset_id bigint not null references lineage.datasets (id),
  field text,
  from_dataset_id bigint not null references lineage.datasets (id),
  from_field text not null,
  transformations jsonb not null
);
create index column_edges_to on lineage.column_edges (dataset_id, field);
create index column_edges_from on lineage.column_edges (from_dataset_id, from_field);

-- Portolan's own names and ids for a dataset or a run; a name without a version means the newest.
create table lineage.aliases (
  organisation_id text not null,
  alias text not null,
  -- What kind of thing has the name, e.g. `contract`: one name may be several things'.
  kind text not null,
  environment text not null,
  audience_id bigint not null references lineage.audiences (id),
  dataset_id bigint references lineage.datasets (id),
  run_id bigint references lineage.runs (id),
  check ((dataset_id is null) <> (run_id is null)),
  primary key (organisation_id, alias, kind, environment)
);

-- How far each organisation's ledger was read.
create table lineage.cursors (
  organisation_id text primary key,
  position bigint not null
);

-- Rows of the ledger of which nothing could be told: tried again when control starts.
create table lineage.untold (
  organisation_id text not null,
  position bigint not null,
  event text not null,
  subject text not null,
  reason text not null,
  primary key (organisation_id, position)
);
