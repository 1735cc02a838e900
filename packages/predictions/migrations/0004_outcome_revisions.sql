-- A label may be corrected and retracted: each revision is a row of its own, and the highest one that was reported counts.
alter table predictions.outcomes add column revision bigint not null default 1;
alter table predictions.outcomes add column retracted boolean not null default false;
-- A retraction has no value.
alter table predictions.outcomes alter column outcome drop not null;
-- Null where the label was joined before this was kept: it is shown to who may read those of the whole organisation.
alter table predictions.outcomes add column use_case_id text;
alter table predictions.outcomes drop constraint outcomes_pkey;
alter table predictions.outcomes add primary key (organisation_id, prediction_id, reach, revision);
create index outcomes_by_arrival on predictions.outcomes (organisation_id, endpoint, received_at)
  where received_at is not null;

create index outcomes_by_report on predictions.outcomes (organisation_id, reported_at) where received_at is not null;

create or replace view predictions.labelled_v1 as
select organisation_id, prediction_id, endpoint, environment, model_name, model_version, variant,
  received_at, outcome, observed_at, outputs
from (
  select distinct on (organisation_id, prediction_id) *
  from predictions.outcomes
  where received_at is not null
  order by organisation_id, prediction_id, revision desc
) as latest
where not retracted;

-- Every revision, so that a figure can be made again as it was known at any time.
create view predictions.labels_v1 as
select organisation_id, prediction_id, use_case_id, endpoint, environment, model_name, model_version, variant,
  received_at, revision, retracted, outcome, observed_at, reported_at, outputs
from predictions.outcomes
where received_at is not null;

-- Predictions that were answered, by hour of arrival: what labels are a share of. Replays are no cases of their own.
create table predictions.answered_hours (
  organisation_id text not null,
  use_case_id text not null,
  endpoint text not null,
  environment text not null,
  model_name text not null,
  model_version text not null,
  variant text not null,
  hour bigint not null,
  predictions bigint not null,
  primary key (organisation_id, endpoint, environment, use_case_id, model_name, model_version, variant, hour)
);

create view predictions.answered_v1 as
select organisation_id, use_case_id, endpoint, environment, model_name, model_version, variant, hour, predictions
from predictions.answered_hours;
