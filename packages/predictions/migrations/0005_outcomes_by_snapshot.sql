-- The snapshot that a labelled prediction was answered by, and with it the step of a release. Null: from before it was kept, a replay, or a request
-- that named its version and so is no part of a share.
alter table predictions.outcomes add column snapshot_version bigint;

-- `labels_v1` is what it was: a view has no columns but its own.
create view predictions.labels_v2 as
select organisation_id, prediction_id, use_case_id, endpoint, environment, model_name, model_version, variant,
  received_at, revision, retracted, outcome, observed_at, reported_at, outputs, snapshot_version
from predictions.outcomes
where received_at is not null;
