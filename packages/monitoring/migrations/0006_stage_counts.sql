-- Requests by endpoint, minute and part of their way through the gateway, in buckets of the time that it took; added up with the requests themselves.
create table monitoring.stage_counts (
  organisation_id text not null,
  environment text not null,
  endpoint text not null,
  -- Start, epoch microseconds.
  minute bigint not null,
  stage text not null,
  counts bigint[] not null,
  primary key (organisation_id, environment, endpoint, minute, stage)
);
create index stage_counts_by_minute on monitoring.stage_counts (minute);
