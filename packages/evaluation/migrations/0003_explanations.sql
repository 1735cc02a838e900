-- What the answers of a version are explained against: counts of its training rows at the nodes of its trees. The newest one of a version counts.
create table evaluation.explanation_backgrounds (
  organisation_id text not null,
  version_id text not null,
  -- Digest of the model's bytes, by which the record of a prediction names it.
  artifact text not null,
  digest text not null,
  training_set_id text not null,
  created_by text not null,
  created_at bigint not null,
  primary key (organisation_id, version_id, digest)
);
create index explanation_backgrounds_by_artifact on evaluation.explanation_backgrounds (organisation_id, artifact, created_at desc);
