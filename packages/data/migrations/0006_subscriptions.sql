-- How many events wait, kept beside them: half a million rows are not counted for each request. Spread over slots, so that senders of one
-- place do not wait for each other; a slot by itself may be negative, their sum is what waits.
create table data.waiting_events (
  organisation_id text not null,
  contract text not null,
  environment text not null,
  -- Empty: no use case's.
  use_case_id text not null,
  slot smallint not null,
  waiting bigint not null,
  primary key (organisation_id, contract, environment, use_case_id, slot)
);
insert into data.waiting_events (organisation_id, contract, environment, use_case_id, slot, waiting)
  select organisation_id, contract, environment, coalesce(use_case_id, ''), 0, count(*)
  from data.events where batch is null group by 1, 2, 3, 4;

-- Topics whose records are taken in as events.
create table data.subscriptions (
  id text primary key,
  organisation_id text not null,
  contract text not null,
  environment text not null,
  use_case_id text,
  connection text not null,
  topic text not null,
  -- The cluster's own id of the topic: one that was made anew under the name has another.
  topic_id text,
  start_at text not null check (start_at in ('earliest', 'latest')),
  -- Who subscribed: records are taken in with their rights.
  call jsonb not null,
  state text not null check (state in ('starting', 'reading', 'full', 'retrying', 'stopped')),
  failure text,
  failures integer not null default 0,
  taken bigint not null default 0,
  dead_letters bigint not null default 0,
  lost bigint not null default 0,
  started_at bigint not null,
  last_taken_at bigint,
  stopped_at bigint
);
create unique index subscriptions_once on data.subscriptions
  (organisation_id, contract, environment, coalesce(use_case_id, ''), connection, topic) where stopped_at is null;

-- How far each is: written in the transaction that keeps the records.
create table data.subscription_offsets (
  subscription_id text not null references data.subscriptions (id),
  partition integer not null,
  next_offset bigint not null,
  primary key (subscription_id, partition)
);
