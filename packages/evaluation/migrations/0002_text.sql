-- Sets of questions with what their answers must be. A version's bytes never change; another content is another version.
create table evaluation.text_sets (
  id text primary key,
  organisation_id text not null,
  use_case_id text not null,
  name text not null,
  version bigint not null,
  object text not null,
  cases bigint not null,
  -- What its author states of the model's never having seen it; null when nobody states it.
  held_out text,
  created_by text not null,
  created_at bigint not null,
  unique (use_case_id, name, version)
);

-- Rows are only added: a later evaluation of the same version is a new row, and the newest one counts.
create table evaluation.text_evaluations (
  id text primary key,
  organisation_id text not null,
  version_id text not null,
  model text not null,
  version bigint not null,
  artifact text not null,
  set_id text not null references evaluation.text_sets (id),
  -- The answers, case by case.
  results text not null,
  held_out jsonb not null,
  metrics jsonb not null,
  gates jsonb not null,
  created_by text not null,
  created_at bigint not null
);
create index text_evaluations_newest on evaluation.text_evaluations (version_id, created_at desc, id desc);
