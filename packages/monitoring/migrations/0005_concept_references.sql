-- How often a version was wrong in its first mature days: what concept drift is told by. Kept once, so that a drift never becomes its own reference.
create table monitoring.concept_references (
  organisation_id text not null,
  environment text not null,
  -- Empty for labels from before the use case was kept.
  use_case_id text not null,
  endpoint text not null,
  variant text not null,
  model text not null,
  version text not null,
  task text not null,
  cases bigint not null,
  wrong bigint not null,
  -- Of quantities: farther than this from what happened is wrong.
  cutoff double precision,
  -- Of yes and no: its labels by cells of the score, on the profile that they name; what estimates without labels are made by.
  calibration jsonb,
  -- Arrival of its predictions, epoch microseconds; the end is exclusive.
  from_at bigint not null,
  to_at bigint not null,
  kept_at bigint not null,
  primary key (organisation_id, endpoint, environment, use_case_id, variant, model, version, task)
);

alter table monitoring.alerts drop constraint alerts_kind_check;
alter table monitoring.alerts add constraint alerts_kind_check
  check (kind in ('performance', 'drift', 'concept', 'objective'));
