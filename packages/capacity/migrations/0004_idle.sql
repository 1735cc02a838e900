-- Work that holds its part of the quota and does next to nothing: that it was told, that somebody has it kept, and that it was stopped.
alter table capacity.workloads
  -- Null: none of it (docs/quotas.md, "Idle work").
  add column idle jsonb,
  drop constraint workloads_state_check,
  -- stopped: it did nothing, and waits until a person has it go on.
  add constraint workloads_state_check
    check (state in ('waiting', 'admitted', 'running', 'evicting', 'stopped', 'ended')),
  add constraint workloads_stopped_says_why check (state <> 'stopped' or idle is not null);
