-- Batches whose events counted online before the log had them: since when, until when, and whether the log has them now.
create table features.early_batches (
  log_id text not null references features.logs (id),
  ingestion_id text not null,
  outcome text not null check (outcome in ('published', 'withdrawn')),
  -- The log's last sequence with the batch; null where it was withdrawn.
  last_sequence bigint,
  first_at bigint not null,
  settled_at bigint not null,
  primary key (log_id, ingestion_id)
);
create index early_batches_by_time on features.early_batches (log_id, first_at);
