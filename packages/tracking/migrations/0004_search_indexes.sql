-- A search by a metric walks an index of one experiment's latest values instead of sorting all its runs.
alter table tracking.latest_metrics add column experiment_id text;
update tracking.latest_metrics as l
set experiment_id = coalesce(r.use_case_id, r.organisation_id) || '-' || r.environment
from tracking.runs as r where r.run_id = l.run_id;
alter table tracking.latest_metrics alter column experiment_id set not null;
create index latest_metrics_by_value on tracking.latest_metrics (experiment_id, key, value, run_id);

-- Beginnings of values: whole ones are longer than an index takes.
create index params_by_value on tracking.params (key, left(value, 64));
create index tags_by_value on tracking.tags (key, left(value, 64));
