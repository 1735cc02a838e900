-- Whose rows bytes are is asked before they are handed out.
create index ingestions_by_source_object on data.ingestions using gin (sources jsonb_path_ops);
create index datasets_by_object on data.datasets (organisation_id, object);
