-- Events and tables that ingestions wrote down were held as uploads of whoever began them; nobody uploaded them.
do $$
begin
  if to_regclass('data.ingestions') is null then
    return;
  end if;
  with copies as (
    select i.organisation_id, i.environment, source ->> 'object' as digest, i.started_by as noted_by
    from data.ingestions i, jsonb_array_elements(i.sources) source
    where source ->> 'format' = 'events'
    union
    select r.organisation_id, r.environment, copy ->> 'object', r.call -> 'actor' ->> 'id'
    from database.job_runs r join database.job_steps s on s.job_id = r.id,
      jsonb_array_elements(case jsonb_typeof(s.result) when 'array' then s.result else '[]' end) copy
    where r.queue = 'data.ingest' and s.name like 'read %'
  ), moved as (
    delete from registry.artifact_references a using copies c
    where a.kind = 'upload' and a.organisation_id = c.organisation_id and a.environment = c.environment
      and a.digest = c.digest and a.noted_by = c.noted_by
    returning a.*
  )
  insert into registry.artifact_references
    (organisation_id, digest, environment, team_id, use_case_id, kind, noted_by, noted_at)
  select organisation_id, digest, environment, team_id, use_case_id, 'source', noted_by, noted_at from moved
  on conflict do nothing;
end
$$;
