-- What settled long ago is forgotten, and a replay reads only what was early at its moments.
create index early_batches_by_end on features.early_batches (settled_at);
create index early_batches_of_log_by_end on features.early_batches (log_id, settled_at);
drop index features.early_batches_by_time;
