-- Which events became which batch, by their numbers: whoever took them in when they were accepted learns what became of them.
create table data.event_batches (
  ingestion_id text primary key references data.ingestions (id),
  -- First and last of each run.
  numbers jsonb not null,
  first_received_at bigint not null
);

-- Batches of events, and how far they have come.
create view data.event_batches_v1 as
  select b.ingestion_id, i.organisation_id, i.contract, i.environment, i.use_case_id, i.state, i.dataset_id, i.started_at, i.finished_at,
    b.numbers, b.first_received_at
  from data.event_batches b join data.ingestions i on i.id = b.ingestion_id;

-- Events that are in no batch yet.
create view data.waiting_events_v1 as
  select seq, organisation_id, contract, environment, use_case_id, received_at from data.events;
