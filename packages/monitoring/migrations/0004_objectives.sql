-- Requests by endpoint and minute, as the objectives of charters judge them; added up from accepted blocks of the prediction log.
-- A column `within_N` has the requests that took at most N microseconds, and longer than the edge before.
create table monitoring.request_counts (
  organisation_id text not null,
  environment text not null,
  endpoint text not null,
  -- Start, epoch microseconds.
  minute bigint not null,
  requests bigint not null,
  unavailable bigint not null,
  answers bigint not null,
  fallbacks bigint not null,
  within_500 bigint not null,
  within_1000 bigint not null,
  within_2500 bigint not null,
  within_5000 bigint not null,
  within_10000 bigint not null,
  within_25000 bigint not null,
  within_50000 bigint not null,
  within_100000 bigint not null,
  within_250000 bigint not null,
  within_500000 bigint not null,
  within_1000000 bigint not null,
  within_2500000 bigint not null,
  within_5000000 bigint not null,
  within_10000000 bigint not null,
  beyond bigint not null,
  primary key (organisation_id, environment, endpoint, minute)
);
create index request_counts_by_minute on monitoring.request_counts (minute);

-- Blocks that are in these counts: one that comes again adds nothing.
create table monitoring.counted_blocks (
  writer_id text not null,
  epoch integer not null,
  block integer not null,
  organisation_id text not null,
  counted_at bigint not null,
  primary key (writer_id, epoch, block, organisation_id)
);
create index counted_blocks_by_time on monitoring.counted_blocks (counted_at);

alter table monitoring.alerts drop constraint alerts_kind_check;
alter table monitoring.alerts add constraint alerts_kind_check check (kind in ('performance', 'drift', 'objective'));
