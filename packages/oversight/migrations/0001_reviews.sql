create schema if not exists oversight;

-- Blocks of the prediction log whose answers were looked at: each once, by the charter of that moment.
create table oversight.seen_blocks (
  organisation_id text not null,
  writer_id text not null,
  epoch bigint not null,
  block bigint not null,
  primary key (organisation_id, writer_id, epoch, block)
);

-- An answer that people look at.
create table oversight.reviews (
  id text primary key,
  organisation_id text not null,
  prediction_id text not null,
  use_case_id text not null,
  endpoint text not null,
  environment text not null,
  model_name text not null,
  model_version text not null,
  task text not null,
  reasons jsonb not null,
  priority integer not null,
  received_at bigint not null,
  queued_at bigint not null,
  due_at bigint not null,
  -- What the model said, as a label; null where it cannot be told, and once the answer is gone.
  answer jsonb,
  -- People who are to decide it.
  people integer not null,
  state text not null,
  -- What they decided; null until then, and where they could not agree.
  label jsonb,
  closed_at bigint,
  unique (organisation_id, prediction_id)
);
create index reviews_to_do on oversight.reviews (organisation_id, environment, priority desc, due_at, id) where state = 'open';
create index reviews_by_time on oversight.reviews (organisation_id, queued_at);

-- A person at work on a review, and what they said: before they saw the model's answer, and after.
create table oversight.claims (
  review_id text not null references oversight.reviews (id) on delete cascade,
  reviewer text not null,
  claimed_at bigint not null,
  lease_until bigint not null,
  first_value jsonb,
  first_at bigint,
  value jsonb,
  reason text,
  comment text,
  concluded_at bigint,
  primary key (review_id, reviewer)
);
create index claims_by_reviewer on oversight.claims (reviewer) where concluded_at is null;

-- What callers and users say of answers.
create table oversight.feedback (
  id text primary key,
  organisation_id text not null,
  prediction_id text not null,
  use_case_id text not null,
  endpoint text not null,
  environment text not null,
  model_name text not null,
  model_version text not null,
  kind text not null,
  rating integer,
  value jsonb,
  comment text,
  given_by text not null,
  on_behalf_of text,
  given_at bigint not null,
  is_label boolean not null,
  digest text not null,
  unique (organisation_id, prediction_id, digest)
);
create index feedback_by_endpoint on oversight.feedback (organisation_id, endpoint, given_at);
