-- Endpoints whose end is announced; the newest announcement of an endpoint counts, and rows stay. Times are epoch microseconds.
create table serving.sunsets (
  id text primary key,
  organisation_id text not null,
  endpoint_id text not null references serving.endpoints (id),
  reason text not null,
  successor text,
  announced_at bigint not null,
  announced_by text not null,
  ends_at bigint not null,
  withdrawn_at bigint,
  withdrawn_by text,
  withdrawn_because text
);
create unique index sunsets_in_force on serving.sunsets (endpoint_id) where withdrawn_at is null;
