-- Training runs and scorings that ask for a part of the cluster: one row each, from the request to its end.
create table capacity.workloads (
  -- That of the run or scoring.
  id text primary key,
  organisation_id text not null,
  kind text not null check (kind in ('training', 'scoring')),
  environment text not null,
  use_case_id text,
  -- `unit/team` of its use case; null where it belongs to none.
  team text,
  job text not null,
  started_by text not null,
  -- By resource, in whole units (docs/quotas.md). What was asked for counts always, what is assumed where the team has a quota of it.
  asked jsonb not null,
  assumed jsonb not null,
  priority integer not null,
  is_preemptible boolean not null,
  -- admitted: it has its part, and has not begun; evicting: another one has its part, and it has not ended yet.
  state text not null check (state in ('waiting', 'admitted', 'running', 'evicting', 'ended')),
  arrived_at bigint not null,
  -- Outside its window until then.
  not_before bigint,
  -- Larger is later; of admitted and running ones.
  admitted_seq bigint,
  admitted_at bigint,
  begun_at bigint,
  ended_at bigint,
  -- Time that it ran for before its last start.
  ran_micros bigint not null default 0,
  was_evicted boolean not null default false,
  evictions integer not null default 0,
  evicted_by text,
  -- Of the last look at the queue, for one that waits.
  reason text,
  reason_resource text,
  position integer
);
create index workloads_open on capacity.workloads (organisation_id) where state <> 'ended';
create index workloads_ended on capacity.workloads (organisation_id, kind, ended_at desc) where state = 'ended';
