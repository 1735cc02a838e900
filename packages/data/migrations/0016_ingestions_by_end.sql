-- Batches that ended lately are asked for every second; those that ended long ago go.
create index ingestions_by_end on data.ingestions (organisation_id, contract, environment, finished_at);
