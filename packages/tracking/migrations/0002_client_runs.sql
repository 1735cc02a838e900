-- Runs that people and service accounts make by MLflow's API. No trainer of ours ran: what such a run says is whoever made it saying so.
-- Their rows are here alone; a run of training has its own row in its own package, and here what its trainer says of it.
alter table tracking.runs
  add column origin text not null default 'trainer' check (origin in ('trainer', 'client')),
  -- Of runs of clients alone; a run of training has these in its own package.
  add column started_by text,
  add column started_at bigint,
  add column deleted_at bigint,
  add constraint client_runs_are_somebodys check ((origin = 'client') = (started_by is not null and started_at is not null));

-- A search looks at the runs of one use case in one environment, the newest first.
create index client_runs_by_place on tracking.runs (organisation_id, use_case_id, environment, started_at)
  where started_by is not null;
