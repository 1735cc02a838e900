-- Tries at chunks of a scoring that has a time limit, and how long they worked as far as it was seen. Once its chunk is kept, a try is gone: the chunk has its time.
create table scoring.tries (
  run_id text not null references scoring.runs (id),
  try bigint not null,
  chunk bigint not null,
  worked_micros bigint not null,
  primary key (run_id, try)
);
