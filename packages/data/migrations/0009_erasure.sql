-- Orders to erase what is known of a data subject. The subject itself is here only while the work goes on.
create table data.erasures (
  id text primary key,
  organisation_id text not null,
  -- Where the one who ordered it may erase; nothing elsewhere is touched.
  environments jsonb not null,
  subject text,
  -- Columns that name the subject beside those that contracts say.
  columns jsonb not null,
  dry_run boolean not null,
  reason text not null,
  job_id text,
  state text not null check (state in ('waiting', 'running', 'planned', 'erased', 'incomplete', 'refused', 'failed', 'cancelled')),
  report jsonb,
  failure text,
  ordered_by text not null,
  ordered_at bigint not null,
  finished_at bigint
);
create index erasures_by_time on data.erasures (organisation_id, ordered_at);

-- Rows that are gone from a snapshot: what it was, what it is now, and by which order or retention.
create table data.tombstones (
  organisation_id text not null,
  -- The dataset, ingestion or other thing whose bytes these were.
  owner text not null,
  place text not null,
  before text not null,
  -- Null where nothing took its place.
  after text,
  row_count bigint not null,
  cause text not null,
  erased_at bigint not null,
  primary key (organisation_id, owner, before, cause)
);

-- A legal hold: what it covers is neither erased nor removed by retention while it is not released.
create table data.holds (
  id text primary key,
  organisation_id text not null,
  environment text not null,
  -- Null: of all contracts, of all use cases.
  contract text,
  use_case_id text,
  reason text not null,
  placed_by text not null,
  placed_at bigint not null,
  released_by text,
  released_at bigint
);
create index holds_in_force on data.holds (organisation_id) where released_at is null;
