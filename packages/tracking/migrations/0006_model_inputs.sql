-- Which models a run says it read: of its own, or of other runs.
create table tracking.model_inputs (
  run_id text not null,
  model_id text not null,
  primary key (run_id, model_id)
);
