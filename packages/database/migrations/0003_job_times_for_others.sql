-- What others may read of jobs that ended: where they belong, and when.
create view database.job_times_v1 as
select id, organisation_id, environment, use_case_id, queue, started_at, finished_at
from database.job_runs where started_at is not null and finished_at is not null;
