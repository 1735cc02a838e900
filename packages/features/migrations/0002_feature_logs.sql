-- The log of one view version's records in one place: append-only, in segments that never change.
create table features.logs (
  id text primary key,
  organisation_id text not null,
  environment text not null,
  use_case_id text,
  view text not null,
  view_digest text not null,
  -- The contract whose datasets it takes in, those published from this moment on.
  source text not null,
  since bigint not null,
  created_at bigint not null,
  unique nulls not distinct (organisation_id, environment, use_case_id, view, view_digest)
);
create index logs_by_source on features.logs (organisation_id, environment, source);

-- A segment exists once its row does: the object was complete and synced before. The key makes writers take turns.
create table features.log_segments (
  log_id text not null references features.logs (id),
  number bigint not null,
  first_sequence bigint not null,
  last_sequence bigint not null,
  record_count bigint not null,
  -- Event times of its records; null in a segment without records.
  min_event bigint,
  max_event bigint,
  object text not null,
  size_bytes bigint not null,
  dataset_id text not null,
  dataset text not null,
  batch_at bigint not null,
  -- Digest of the segment before, null for the first; the digest of the last one stands for the whole log.
  previous text,
  digest text not null,
  appended_at bigint not null,
  primary key (log_id, number),
  unique (log_id, dataset)
);

-- Which records were online when: what was served at a moment is derived again from no more than these.
create table features.log_folds (
  id text primary key,
  log_id text not null references features.logs (id),
  last_sequence bigint not null,
  as_of bigint not null,
  started_at bigint not null,
  finished_at bigint
);
create index log_folds_by_log on features.log_folds (log_id, started_at);
