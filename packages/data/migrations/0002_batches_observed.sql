-- What a batch was seen to be, beside what its contract says: for metrics, drift and replays.
alter table data.ingestions
  add column replay_of text,
  add column warnings jsonb,
  add column observed jsonb,
  add column drift jsonb,
  add column nulls jsonb,
  add column max_event_time bigint,
  add column elapsed_ms bigint,
  -- Rows that a refused batch would have published: kept for its replay, and read by nobody else.
  add column withheld text;
create index ingestions_by_contract on data.ingestions (organisation_id, contract, started_at);
