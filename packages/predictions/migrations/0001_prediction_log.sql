create schema if not exists predictions;

-- A gateway's writer and the end of its accepted chain.
create table predictions.writers (
  writer_id text primary key,
  principal text not null,
  organisation_id text not null,
  epoch bigint not null,
  block bigint not null,
  root text not null,
  updated_at bigint not null
);

create table predictions.blocks (
  writer_id text not null,
  epoch bigint not null,
  block bigint not null,
  root text not null,
  previous_root text not null,
  record_count integer not null,
  sealed boolean not null,
  closed_at bigint not null,
  accepted_at bigint not null,
  primary key (writer_id, epoch, block)
);

create table predictions.anchors (
  organisation_id text not null,
  second bigint not null,
  digest text not null,
  ledger_row text not null,
  primary key (organisation_id, second)
);

-- One organisation's share of a block; its records lie in the named file.
create table predictions.block_parts (
  organisation_id text not null,
  writer_id text not null,
  epoch bigint not null,
  block bigint not null,
  root text not null,
  record_count integer not null,
  file text not null,
  anchor_second bigint,
  primary key (organisation_id, writer_id, epoch, block)
);
create index block_parts_not_anchored on predictions.block_parts (organisation_id) where anchor_second is null;
create index block_parts_by_anchor on predictions.block_parts (organisation_id, anchor_second);

-- What a part holds, coarse enough to be small at any rate: one row per endpoint, version and variant.
create table predictions.part_contents (
  organisation_id text not null,
  writer_id text not null,
  epoch bigint not null,
  block bigint not null,
  endpoint text not null,
  environment text not null,
  model_version text not null,
  variant text not null,
  record_count integer not null,
  first_at bigint not null,
  last_at bigint not null,
  primary key (organisation_id, writer_id, epoch, block, endpoint, environment, model_version, variant)
);
create index part_contents_by_time on predictions.part_contents (organisation_id, endpoint, last_at);

create table predictions.erasures (
  id text primary key,
  organisation_id text not null,
  selector jsonb not null,
  -- Where the one who ordered it may erase; nothing elsewhere is touched.
  environments text[] not null,
  reason text not null,
  ordered_by text not null,
  ordered_at bigint not null,
  completed_at bigint,
  erased_count integer
);

-- A label, and what the join needs of its prediction once that has been accepted.
create table predictions.outcomes (
  organisation_id text not null,
  prediction_id text not null,
  writer_id text not null,
  epoch bigint not null,
  block bigint not null,
  outcome jsonb not null,
  observed_at bigint not null,
  reported_at bigint not null,
  reported_by text not null,
  endpoint text,
  environment text,
  model_name text,
  model_version text,
  variant text,
  received_at bigint,
  outputs text,
  -- Environments in which its reporter may report, joined by commas. A label may come before its prediction, whose environment is
  -- then not known yet; it is joined only where it could have been reported.
  reach text not null,
  -- The prediction is there, and lies beyond the reach: never joined, and kept so that the reporter is answered as for one that is to come.
  beyond_reach boolean not null default false,
  primary key (organisation_id, prediction_id, reach)
);
create index outcomes_not_joined on predictions.outcomes (organisation_id, writer_id, epoch, block)
  where received_at is null and not beyond_reach;
create index outcomes_by_endpoint on predictions.outcomes (organisation_id, endpoint, observed_at);

create view predictions.labelled_v1 as
select organisation_id, prediction_id, endpoint, environment, model_name, model_version, variant,
  received_at, outcome, observed_at, outputs
from predictions.outcomes
where received_at is not null;
