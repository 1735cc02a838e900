-- What other packages may read of the ledger: its governed rows in their order, the detail while the row is not erased.
create view ledger.events_v1 as
  select organisation_id, position, at, event, subject, actor_id,
    case when payload is null then null else convert_from(payload, 'UTF8')::jsonb -> 'detail' end as detail
  from ledger.rows where class = 'governed' and position is not null;

-- How many rows of each organisation have their place.
create view ledger.sizes_v1 as select organisation_id, size from ledger.streams;
