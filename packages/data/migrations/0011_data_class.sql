-- What kind of data it is: de-identified research data never reaches production.
alter table data.ingestions add column data_class text check (data_class in ('research'));
alter table data.datasets add column data_class text check (data_class in ('research'));
create or replace view data.datasets_v1 as
  select id, organisation_id, contract, contract_digest, environment, use_case_id, object, row_count, columns, event_time, min_event_time, max_event_time, published_at, batch_at, data_class
  from data.datasets;
