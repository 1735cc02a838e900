-- What others may read of attempts that ended: where they belong, and when.
create view training.attempts_v1 as
select a.run_id, a.attempt, r.organisation_id, r.environment, r.use_case_id, a.started_at, a.ended_at
from training.attempts a join training.runs r on r.id = a.run_id where a.ended_at is not null;
