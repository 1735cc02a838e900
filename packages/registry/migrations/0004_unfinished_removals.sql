-- Removals that nobody finished are looked for; those that were are kept.
create index removed_bytes_leaving on registry.removed_bytes (changed_at) where state = 'leaving';
