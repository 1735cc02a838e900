-- A legal hold: what it covers is neither erased nor expires while it is not released.
create table predictions.holds (
  id text primary key,
  organisation_id text not null,
  environment text not null,
  use_case_id text,
  endpoint text,
  from_at bigint,
  to_at bigint,
  reason text not null,
  placed_by text not null,
  placed_at bigint not null,
  released_by text,
  released_at bigint
);
create index holds_in_force on predictions.holds (organisation_id) where released_at is null;

-- When the payloads of a use case in an archive went because their time was over, and how many a hold kept.
alter table predictions.archive_contents add column expired_at bigint;
alter table predictions.archive_contents add column kept_by_hold integer not null default 0;
create index archive_contents_to_expire on predictions.archive_contents (organisation_id, use_case_id, last_at)
  where expired_at is null;
