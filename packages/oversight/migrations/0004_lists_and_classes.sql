-- Of a ranking how many rows its list has, and of several classes their names: what a decision has to fit. Null where neither is known.
alter table oversight.reviews add column list_rows integer;
alter table oversight.reviews add column classes jsonb;
