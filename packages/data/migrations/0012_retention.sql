-- Bytes of a dataset or of an ingestion that the contract keeps no longer: the row stays, what it says of rows is gone.
alter table data.datasets add column expired_at bigint;
alter table data.ingestions add column expired_at bigint;
create or replace view data.datasets_v1 as
  select id, organisation_id, contract, contract_digest, environment, use_case_id, object, row_count, columns, event_time, min_event_time, max_event_time, published_at, batch_at, data_class
  from data.datasets where expired_at is null;
