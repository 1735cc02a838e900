-- Who may have how much of the cluster, version by version; a version never changes.
create schema if not exists capacity;

create table capacity.quotas (
  organisation_id text not null,
  version integer not null check (version > 0),
  -- Null: from this version on there are none.
  quotas text,
  -- What the cluster has, as it was said last; null where nobody said it.
  cluster text,
  digest text not null,
  applied_by text not null,
  applied_at bigint not null,
  primary key (organisation_id, version)
);
