-- What others may read of datasets' bytes: whose they are, how large, from when until when.
create view data.dataset_sizes_v1 as
select id, organisation_id, environment, use_case_id, size_bytes, published_at, expired_at from data.datasets;
