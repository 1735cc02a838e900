-- Up to when others' datasets were published that an ingestion's foreign keys are looked up in; null is when its job looks.
alter table data.ingestions add column references_at bigint;
