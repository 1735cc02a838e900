create schema if not exists evaluation;

-- Rows are only added: a later evaluation of the same version is a new row, and the newest one counts.
create table evaluation.evaluations (
  id text primary key,
  organisation_id text not null,
  version_id text not null,
  model text not null,
  version bigint not null,
  artifact text not null,
  -- The held-out rows, and whether they are shown to be held out.
  training_set_id text not null,
  dataset text not null,
  held_out jsonb not null,
  metrics jsonb not null,
  gates jsonb not null,
  created_by text not null,
  created_at bigint not null
);
create index evaluations_newest on evaluation.evaluations (version_id, created_at desc, id desc);

create view evaluation.latest_v1 as
select distinct on (version_id) version_id, id, gates, metrics, held_out, created_at
from evaluation.evaluations order by version_id, created_at desc, id desc;
