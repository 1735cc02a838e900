-- Bytes of the values that a chunk was made of, and of those that it holds; null where nobody counted them.
alter table scoring.chunks add column bytes_in bigint, add column bytes_out bigint;
create or replace view scoring.chunks_v1 as
select c.run_id, c.chunk, r.organisation_id, r.environment, r.use_case_id, r.plan #>> '{model,name}' as model, c.rows, c.cpu_micros, c.scored_at,
  c.bytes_in, c.bytes_out
from scoring.chunks c join scoring.runs r on r.id = c.run_id;
