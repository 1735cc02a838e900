-- An experiment is a use case in an environment and has no row; what its people say of it has.
create table tracking.experiment_tags (
  organisation_id text not null,
  experiment_id text not null,
  key text not null,
  value text not null,
  primary key (organisation_id, experiment_id, key)
);
