-- A trainer that did nothing was stopped by the quotas of its team.
alter table training.attempts
  drop constraint attempts_ending_check,
  add constraint attempts_ending_check
    check (ending in ('finished', 'failed', 'preempted', 'interrupted', 'stopped', 'idle'));
