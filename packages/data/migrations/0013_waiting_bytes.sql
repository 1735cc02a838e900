-- How large the waiting events are, beside how many: one may be ten megabytes.
alter table data.waiting_events add column bytes bigint not null default 0;
insert into data.waiting_events (organisation_id, contract, environment, use_case_id, slot, waiting, bytes)
  select organisation_id, contract, environment, coalesce(use_case_id, ''), 0, 0, sum(octet_length(line))
  from data.events where batch is null group by 1, 2, 3, 4
on conflict (organisation_id, contract, environment, use_case_id, slot) do update set bytes = excluded.bytes;
