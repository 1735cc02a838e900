-- Of runs that wait, the higher goes first, and may take the trainer's place from a lower one.
alter table training.runs add column priority integer not null default 0;
-- Somebody wants its trainer to make room; gone once it did.
alter table training.runs add column preemption_asked text;

-- Each start of a run's trainer. A row without an end is one that runs, or that a killed control left; the next start closes it.
create table training.attempts (
  run_id text not null references training.runs (id),
  attempt integer not null,
  started_at bigint not null,
  -- When control last looked at it.
  seen_at bigint not null,
  checkpoints integer not null default 0,
  checkpoint_at bigint,
  -- How often a checkpoint did not come within the declared interval, and since when one is missing now.
  overdue_times integer not null default 0,
  overdue_since bigint,
  ended_at bigint,
  ending text check (ending in ('finished', 'failed', 'preempted', 'interrupted', 'stopped')),
  reason text,
  primary key (run_id, attempt)
);
create index attempts_under_way on training.attempts (run_id) where ended_at is null;
