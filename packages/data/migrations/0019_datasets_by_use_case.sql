-- Readiness asks for the snapshots of a use case.
create index datasets_by_use_case on data.datasets (organisation_id, use_case_id, published_at);
