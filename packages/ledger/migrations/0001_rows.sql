create schema if not exists ledger;

-- A business transaction inserts here and nowhere else. "position" stays null until the sequencer has
-- fsynced the leaf in the tile files.
create table ledger.rows (
  id text primary key,
  organisation_id text not null,
  class text not null check (class in ('governed', 'denied', 'recorded')),
  at bigint not null,
  -- What the leaf hashes: canonical JSON that names the row and commits to salt and payload (docs/spec/ledger.md L2).
  entry bytea not null,
  leaf_hash bytea not null check (length(leaf_hash) = 32),
  -- Erasure destroys salt and payload together; entry and leaf stay, so every proof still verifies.
  salt bytea check (length(salt) = 32),
  payload bytea,
  -- Copies out of the payload, for search only. Verification compares them with the payload.
  event text,
  subject text,
  actor_id text,
  request_id text,
  -- Makes a repeated batch digest the same row (recorded class).
  batch_key text,
  position bigint,
  check ((salt is null) = (payload is null)),
  unique (organisation_id, position),
  unique (organisation_id, batch_key)
);
create index rows_waiting on ledger.rows (organisation_id, at, id) where position is null;
create index rows_by_time on ledger.rows (organisation_id, at desc, id desc);
create index rows_by_event on ledger.rows (organisation_id, event, at desc);
create index rows_by_subject on ledger.rows (organisation_id, subject, at desc);
create index rows_by_actor on ledger.rows (organisation_id, actor_id, at desc);
create index rows_by_request on ledger.rows (organisation_id, request_id);

-- One tree per organisation: how far SQL knows it.
create table ledger.streams (
  organisation_id text primary key,
  size bigint not null check (size >= 0),
  root bytea not null check (length(root) = 32),
  -- Epoch of the sequencer that advanced it last.
  epoch bigint not null
);

-- The fencing token: a sequencer that finds another epoch here has been replaced and stops.
create table ledger.sequencer (
  only_row boolean primary key default true check (only_row),
  epoch bigint not null
);
insert into ledger.sequencer (only_row, epoch) values (true, 0);

-- Signed checkpoints. Old ones are thinned out (docs/spec/ledger.md L15).
create table ledger.checkpoints (
  organisation_id text not null,
  size bigint not null,
  root bytea not null check (length(root) = 32),
  signed_at bigint not null,
  key_id text not null,
  note text not null,
  primary key (organisation_id, size, signed_at)
);

-- Refusals of callers that are not authenticated: counted here, written as one row when the minute is over.
create table ledger.denial_tallies (
  organisation_id text not null,
  source text not null,
  reason text not null,
  minute bigint not null,
  denials bigint not null check (denials > 0),
  first_at bigint not null,
  last_at bigint not null,
  primary key (organisation_id, minute, source, reason)
);
