-- Feature flags of endpoints, as they are in force. Times are epoch microseconds.
create table rollout.flags (
  id text primary key,
  organisation_id text not null,
  environment text not null,
  endpoint text not null,
  key text not null,
  definition jsonb not null,
  -- Grows with every change that came into force.
  version integer not null,
  set_by text not null,
  set_at bigint not null,
  unique (organisation_id, environment, endpoint, key)
);

-- Changes that wait for approval, and what became of them: waiting, in_force, superseded.
create table rollout.flag_changes (
  id text primary key,
  organisation_id text not null,
  environment text not null,
  endpoint text not null,
  key text not null,
  definition jsonb not null,
  reason text not null,
  approvals_needed integer not null,
  requested_by text not null,
  requested_at bigint not null,
  state text not null
);
create unique index one_waiting_change_per_flag on rollout.flag_changes (organisation_id, environment, endpoint, key)
  where state = 'waiting';

create table rollout.flag_approvals (
  change_id text not null references rollout.flag_changes (id),
  approved_by text not null,
  approved_at bigint not null,
  primary key (change_id, approved_by)
);
