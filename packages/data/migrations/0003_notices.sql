-- What the owners of a contract have to know: written in the transaction that made it so, delivered afterwards.
create table data.notices (
  id text primary key,
  organisation_id text not null,
  contract text not null,
  contract_version text not null,
  environment text not null,
  use_case_id text,
  ingestion_id text not null,
  kind text not null check (kind in ('refused', 'quarantined', 'failed', 'drift')),
  people jsonb not null,
  channel text,
  url text,
  -- `kept`: there is no address to send it to; it is read here alone.
  state text not null check (state in ('kept', 'waiting', 'sent', 'failed')),
  failure text,
  event jsonb not null,
  created_at bigint not null,
  settled_at bigint
);
create index notices_by_time on data.notices (organisation_id, created_at);
