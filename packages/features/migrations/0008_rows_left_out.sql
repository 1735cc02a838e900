-- Rows of the dataset that are no record: for want of a key of the entity, and in all (no event time, no availability, no primary key). Null of segments from before.
alter table features.log_segments add column without_key bigint;
alter table features.log_segments add column left_out bigint;
