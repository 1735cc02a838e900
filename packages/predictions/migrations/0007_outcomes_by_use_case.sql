-- Readiness asks for the first and the latest outcomes of a use case that count.
create index outcomes_by_use_case on predictions.outcomes (organisation_id, use_case_id, environment, reported_at) where not retracted;
