create schema if not exists metering;

-- What was used, cut by months of UTC. What blocks of the prediction log add is added up by hour; all else is a record of its own.
create table metering.usage (
  organisation_id text not null,
  source text not null,
  id text not null,
  period text not null,
  meter text not null,
  -- Ids decide who may see it; empty where a tenant is known by name only.
  business_unit_id text not null,
  team_id text not null,
  use_case_id text not null,
  -- Names as statements show them.
  business_unit text not null,
  team text not null,
  use_case text not null,
  model text not null,
  environment text not null,
  resource text not null,
  -- In smallest units of the resource.
  quantity numeric(36, 0) not null check (quantity >= 0),
  started_at bigint not null,
  ended_at bigint not null,
  recorded_at bigint not null,
  primary key (organisation_id, source, id, period)
);
create index usage_by_period on metering.usage (organisation_id, period);
create index usage_by_meter on metering.usage (organisation_id, source, meter, resource, started_at);
create index usage_by_use_case on metering.usage (organisation_id, use_case_id, started_at);

-- Blocks of the prediction log that are in it: each once.
create table metering.counted_blocks (
  organisation_id text not null,
  writer_id text not null,
  epoch bigint not null,
  block bigint not null,
  primary key (organisation_id, writer_id, epoch, block)
);

-- Months that changed after they had ended: how much came late, and when last.
create table metering.late_usage (
  organisation_id text not null,
  period text not null,
  records bigint not null,
  last_at bigint not null,
  primary key (organisation_id, period)
);
