-- What the trainer of an attempt used: processor time, and the most memory that it was seen to hold. Null where nobody could look.
alter table training.attempts add column cpu_micros bigint check (cpu_micros >= 0);
alter table training.attempts add column peak_memory_bytes bigint check (peak_memory_bytes >= 0);

create or replace view training.attempts_v1 as
select a.run_id, a.attempt, r.organisation_id, r.environment, r.use_case_id, a.started_at, a.ended_at, a.cpu_micros
from training.attempts a join training.runs r on r.id = a.run_id where a.ended_at is not null;
