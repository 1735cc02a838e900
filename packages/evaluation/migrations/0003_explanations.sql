-- What the answers of a version are explained against. The newest one of a version counts.
create table evaluation.explanation_backgrounds (
  organisation_id text not null,
  version_id text not null,
  model text not null,
  version bigint not null,
  -- Of the model's bytes, as the record of a prediction states it.
  artifact text not null,
  digest text not null,
  training_set_id text not null,
  -- Of the training set: predictions of later environments are not explained against it.
  environment text not null check (environment in ('dev', 'staging', 'production')),
  rows bigint not null,
  created_by text not null,
  created_at bigint not null,
  primary key (organisation_id, version_id, digest)
);
create index explanation_backgrounds_by_version on evaluation.explanation_backgrounds (organisation_id, model, version, created_at desc);
