-- Endpoints that somebody halted, and who let them go on; rows stay. Times are epoch microseconds.
create table serving.halts (
  id text primary key,
  organisation_id text not null,
  endpoint_id text not null references serving.endpoints (id),
  reason text not null,
  halted_at bigint not null,
  halted_by text not null,
  resumed_at bigint,
  resumed_by text,
  resumed_because text
);
create unique index halts_in_force on serving.halts (endpoint_id) where resumed_at is null;
