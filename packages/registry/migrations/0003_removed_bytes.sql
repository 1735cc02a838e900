-- Bytes that nobody held any more and that were removed. `leaving`: their file is about to go; whoever makes the same bytes meanwhile has
-- to make them again. `gone`: their file went; who notes them later has to have stored them since.
create table registry.removed_bytes (
  digest text primary key,
  state text not null check (state in ('leaving', 'gone')),
  changed_at bigint not null
);
create index artifact_references_by_digest on registry.artifact_references (digest);
