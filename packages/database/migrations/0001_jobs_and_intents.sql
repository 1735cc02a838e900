-- Durable work: jobs (queued by pg-boss, described here), their steps and log lines, and intentions of effects
-- outside SQL. Times are microseconds since 1970 (UTC).

create table database.job_runs (
  id text primary key,
  organisation_id text not null,
  -- Where the work belongs; null is the whole organisation, or no environment.
  environment text,
  team_id text,
  use_case_id text,
  queue text not null,
  -- The queue's own id of this job in schema pgboss.
  boss_id uuid not null,
  key text,
  priority integer not null default 0,
  payload jsonb not null,
  -- The caller, so that the job's transactions carry who asked for it.
  call jsonb not null,
  state text not null check (state in ('waiting', 'running', 'retrying', 'done', 'failed', 'cancelled')),
  progress double precision not null default 0 check (progress between 0 and 1),
  note text not null default '',
  -- Starts, crashes included; and failures alone, which the handler's `retries` bounds.
  attempts integer not null default 0,
  failures integer not null default 0,
  cancel_requested boolean not null default false,
  -- Whether what the job was for has its final state too; asked of cancelled and failed jobs only.
  settled boolean not null default false,
  result jsonb,
  error text,
  created_at bigint not null,
  started_at bigint,
  finished_at bigint
);
-- At most one waiting or running job per organisation, queue and key.
create unique index job_runs_open_key on database.job_runs (organisation_id, queue, key)
  where key is not null and state in ('waiting', 'running', 'retrying');
create index job_runs_recent on database.job_runs (organisation_id, created_at desc);
create index job_runs_open on database.job_runs (state) where state in ('waiting', 'running', 'retrying');

create index job_runs_unsettled on database.job_runs (queue) where state in ('cancelled', 'failed') and not settled;

create table database.job_steps (
  job_id text not null references database.job_runs (id) on delete cascade,
  name text not null,
  result jsonb not null,
  finished_at bigint not null,
  primary key (job_id, name)
);

create table database.job_logs (
  job_id text not null references database.job_runs (id) on delete cascade,
  line_number bigint generated always as identity,
  at bigint not null,
  line text not null,
  primary key (job_id, line_number)
);

create table database.intents (
  id text primary key,
  kind text not null,
  payload jsonb not null,
  call jsonb not null,
  state text not null check (state in ('open', 'done')),
  attempts integer not null default 0,
  created_at bigint not null,
  next_attempt_at bigint not null,
  last_error text,
  outcome jsonb,
  closed_at bigint
);
create index intents_due on database.intents (next_attempt_at) where state = 'open';
