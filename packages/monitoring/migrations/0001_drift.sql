create schema if not exists monitoring;

-- A frozen profile per model version; the newest row of a version counts. The bytes are an object, signed with the version.
create table monitoring.reference_profiles (
  organisation_id text not null,
  version_id text not null,
  model text not null,
  version bigint not null,
  digest text not null,
  size_bytes bigint not null,
  bundle text not null,
  signing_key_id text not null,
  signed_at bigint not null,
  cells bigint not null,
  training_set_id text not null,
  created_by text not null,
  created_at bigint not null,
  primary key (organisation_id, version_id, digest)
);
create index reference_profiles_by_model on monitoring.reference_profiles (organisation_id, model, version, created_at desc);

-- The last delivery of each start of each gateway process: a lower or equal sequence was added already.
create table monitoring.drift_writers (
  organisation_id text not null,
  writer text not null,
  epoch bigint not null,
  principal text not null,
  last_sequence bigint not null,
  primary key (organisation_id, writer, epoch)
);

-- Sums over all processes. Integers only: the order of arrival changes nothing.
create table monitoring.drift_windows (
  organisation_id text not null,
  environment text not null,
  use_case_id text not null,
  endpoint_id text not null,
  endpoint text not null,
  variant text not null,
  model text not null,
  version bigint not null,
  profile text not null,
  window_start bigint not null,
  one_in bigint not null,
  rows bigint not null,
  counts bigint[] not null,
  primary key (organisation_id, environment, endpoint_id, variant, model, version, profile, window_start, one_in)
);
create index drift_windows_by_endpoint on monitoring.drift_windows (organisation_id, endpoint, window_start);
