-- What others may read of runs: where they belong, how they stand, when. Their requests and results are not in it.
create view training.runs_v1 as
select id, organisation_id, environment, use_case_id, state, started_by, started_at, finished_at
from training.runs;

-- A search looks at the runs of one use case in one environment, the newest first.
create index runs_by_place on training.runs (organisation_id, use_case_id, environment, started_at);
