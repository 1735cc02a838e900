-- When the rows of a dataset first came. Readers take the newest batch: one that was judged again is as old as it ever was.
alter table data.datasets add column batch_at bigint;
with recursive came as (
  select datasets.id as dataset, ingestions.replay_of, ingestions.finished_at
  from data.datasets join data.ingestions on ingestions.id = datasets.ingestion_id
  union all
  select came.dataset, ingestions.replay_of, ingestions.finished_at
  from came join data.ingestions on ingestions.id = came.replay_of
)
update data.datasets set batch_at = coalesce(
  (select came.finished_at from came where came.dataset = datasets.id and came.replay_of is null),
  published_at
);
alter table data.datasets alter column batch_at set not null;
create index datasets_by_batch on data.datasets (organisation_id, contract, batch_at);

create or replace view data.datasets_v1 as
  select id, organisation_id, contract, contract_digest, environment, use_case_id, object, row_count, columns, event_time, min_event_time, max_event_time, published_at, batch_at
  from data.datasets;

-- For figures over the last days.
create index ingestions_by_start on data.ingestions (started_at);
