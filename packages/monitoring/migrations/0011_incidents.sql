-- One row per incident: what it is about, and how far it is.
create table monitoring.incidents (
  id text primary key,
  organisation_id text not null,
  title text not null,
  playbook text not null,
  state text not null check (state in ('open', 'taken', 'mitigated', 'resolved')),
  alert_id text references monitoring.alerts (id),
  environment text not null,
  -- Null for what is known only of the organisation as a whole.
  use_case_id text,
  endpoint text,
  model text,
  version text,
  api_key_id text,
  actor_id text,
  -- When the trouble began, and when its record was opened.
  started_at bigint not null,
  opened_at bigint not null,
  opened_by text not null,
  taken_by text,
  taken_at bigint,
  mitigated_at bigint,
  resolved_at bigint,
  check (started_at <= opened_at)
);
create unique index incidents_of_alert on monitoring.incidents (organisation_id, alert_id) where state <> 'resolved';
create index incidents_newest on monitoring.incidents (organisation_id, opened_at desc, id desc);

-- What was done and noted, in the order in which it was written; rows are only added.
create table monitoring.incident_entries (
  incident_id text not null references monitoring.incidents (id),
  number integer not null check (number >= 1),
  kind text not null check (kind in ('opened', 'taken', 'noted', 'ticked', 'mitigated', 'resolved')),
  at bigint not null,
  written_by text not null,
  text text not null,
  step text,
  outcome text check (outcome in ('done', 'failed', 'skipped')),
  primary key (incident_id, number),
  check ((kind = 'ticked') = (step is not null) and (step is null) = (outcome is null))
);
