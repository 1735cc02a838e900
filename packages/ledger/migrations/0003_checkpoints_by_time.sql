-- Readiness asks for the first and the latest checkpoints.
create index checkpoints_by_time on ledger.checkpoints (organisation_id, signed_at);
