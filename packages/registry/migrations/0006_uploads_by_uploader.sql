-- Whoever uploads bytes has them: equal bytes are an upload of each who uploaded them, and any other kind of a place once.
do $$
declare
  old text;
begin
  select conname into strict old from pg_constraint
    where conrelid = 'registry.artifact_references'::regclass and contype = 'u';
  execute format('alter table registry.artifact_references drop constraint %I', old);
end
$$;
create unique index artifact_references_once on registry.artifact_references
  (organisation_id, digest, environment, team_id, use_case_id, kind) nulls not distinct where kind <> 'upload';
create unique index artifact_uploads_once on registry.artifact_references
  (organisation_id, digest, environment, team_id, use_case_id, noted_by) nulls not distinct where kind = 'upload';
