-- Parts laid together in one Parquet file; what a part was before is gone once it names its archive.
create table predictions.archives (
  id text primary key,
  organisation_id text not null,
  file text not null,
  record_count integer not null,
  bytes bigint not null,
  made_at bigint not null
);

-- What an archive holds of a use case in an environment: retention asks by it.
create table predictions.archive_contents (
  archive_id text not null,
  organisation_id text not null,
  use_case_id text not null,
  environment text not null,
  record_count integer not null,
  first_at bigint not null,
  last_at bigint not null,
  primary key (archive_id, use_case_id, environment)
);
create index archive_contents_by_time on predictions.archive_contents (organisation_id, use_case_id, last_at);

alter table predictions.block_parts add column archive_id text;
alter table predictions.block_parts add column first_row integer;
create index block_parts_to_archive on predictions.block_parts (organisation_id, writer_id, epoch, block)
  where archive_id is null and anchor_second is not null;
create index block_parts_by_archive on predictions.block_parts (archive_id) where archive_id is not null;
