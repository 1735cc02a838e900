-- The same rows after others are another word: a log takes in each dataset once, and not each content once.
alter table features.log_segments drop constraint log_segments_log_id_dataset_key;
alter table features.log_segments add unique (log_id, dataset_id);
