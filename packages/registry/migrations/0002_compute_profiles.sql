-- What each version takes of a machine; the newest row counts. The bytes are an object, signed with the model.
create table registry.compute_profiles (
  version_id text not null references registry.versions (id),
  digest text not null,
  profile jsonb not null,
  bundle text not null,
  signing_key_id text not null,
  signed_at bigint not null,
  measured_at bigint not null,
  primary key (version_id, digest)
);
