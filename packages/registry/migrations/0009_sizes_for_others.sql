-- What others may read of versions: whose they are, how large, since when.
create view registry.version_sizes_v1 as
select id, organisation_id, use_case_id, model, version, size_bytes, created_at from registry.versions;
