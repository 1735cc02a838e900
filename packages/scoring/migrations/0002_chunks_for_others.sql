-- What others may read of chunks: where they belong, and what they took.
create view scoring.chunks_v1 as
select c.run_id, c.chunk, r.organisation_id, r.environment, r.use_case_id, r.plan #>> '{model,name}' as model, c.rows, c.cpu_micros, c.scored_at
from scoring.chunks c join scoring.runs r on r.id = c.run_id;
