-- Versions in whose place the charter's fallback chain answers, because an alert found them wrong; rows stay. Times are epoch microseconds.
create table serving.displacements (
  id text primary key,
  organisation_id text not null,
  endpoint_id text not null references serving.endpoints (id),
  model text not null,
  version integer not null,
  alert_id text not null,
  reason text not null,
  began_at bigint not null,
  began_by text not null,
  ended_at bigint,
  ended_by text,
  ended_because text
);
create unique index displacements_in_force on serving.displacements (endpoint_id, model, version) where ended_at is null;
