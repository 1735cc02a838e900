-- Events that were taken in and are not yet a batch. A line here is on disk before its sender hears so.
create table data.events (
  seq bigint generated always as identity primary key,
  organisation_id text not null,
  contract text not null,
  environment text not null,
  use_case_id text,
  received_at bigint not null,
  -- One JSON text, without line breaks.
  line text not null,
  -- The batch that claimed it; an event is claimed once, whenever it became visible.
  batch text
);
create index events_unclaimed on data.events (organisation_id, contract, environment, use_case_id, seq) where batch is null;
create index events_by_batch on data.events (batch, seq) where batch is not null;
