-- Numbers of the batch's events, first and last of those that follow one another: in this order they counted; of many requests one range of as many numbers. Null of batches that were noted before.
alter table features.early_batches add column numbers jsonb;
