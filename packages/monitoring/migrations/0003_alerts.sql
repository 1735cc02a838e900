-- One row per time that something was wrong: at most one of a key is open.
create table monitoring.alerts (
  id text primary key,
  organisation_id text not null,
  key text not null,
  kind text not null check (kind in ('performance', 'drift')),
  environment text not null,
  -- Null for what is known only of the organisation as a whole.
  use_case_id text,
  endpoint text not null,
  variant text not null,
  model text not null,
  version text not null,
  state text not null check (state in ('open', 'resolved')),
  summary text not null,
  -- What it was opened for, as it was known then.
  evidence jsonb not null,
  opened_at bigint not null,
  resolved_at bigint,
  resolved_because text
);
create unique index alerts_open on monitoring.alerts (organisation_id, key) where state = 'open';
create index alerts_newest on monitoring.alerts (organisation_id, opened_at desc, id desc);

-- Of a key, not of one alert: what flaps is silent for as long as it was said.
create table monitoring.alert_silences (
  organisation_id text not null,
  key text not null,
  until_at bigint not null,
  reason text not null,
  silenced_by text not null,
  silenced_at bigint not null,
  primary key (organisation_id, key)
);

-- Which alerts go to which of the operator's destinations.
create table monitoring.alert_routes (
  id text primary key,
  organisation_id text not null,
  environment text not null,
  use_case_id text,
  destination text not null,
  created_by text not null,
  created_at bigint not null,
  removed_by text,
  removed_at bigint
);
create unique index alert_routes_in_use on monitoring.alert_routes
  (organisation_id, environment, coalesce(use_case_id, ''), destination) where removed_at is null;

-- What a destination was told last of an alert; no row: nothing yet.
create table monitoring.alert_deliveries (
  alert_id text not null references monitoring.alerts (id),
  route_id text not null references monitoring.alert_routes (id),
  told text check (told in ('open', 'resolved')),
  told_at bigint,
  failure text,
  failed_at bigint,
  primary key (alert_id, route_id)
);
