-- Logs from which lines were erased, until what is online is folded of what is left.
create table features.log_erasures (
  log_id text primary key references features.logs (id),
  erased_at bigint not null
);
