-- Who a label is from: whoever knows what happened (reported), a person's review, or feedback. Revisions from 1 on are reported ones; people's
-- lie below them, so that what really happened counts as soon as it is reported.
alter table predictions.outcomes add column source text not null default 'reported';

create or replace view predictions.labels_v1 as
select organisation_id, prediction_id, use_case_id, endpoint, environment, model_name, model_version, variant,
  received_at, revision, retracted, outcome, observed_at, reported_at, outputs, source
from predictions.outcomes
where received_at is not null;
