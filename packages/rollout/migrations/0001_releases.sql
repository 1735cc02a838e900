create schema if not exists rollout;

-- A version on its way to become an endpoint's champion.
create table rollout.releases (
  id text primary key,
  organisation_id text not null,
  environment text not null,
  endpoint text not null,
  use_case_id text not null,
  business_unit_id text not null,
  team_id text,
  model text not null,
  version bigint not null,
  -- What the candidate reads from feature views; null: nothing.
  features jsonb,
  champion_model text not null,
  champion_version bigint not null,
  -- The deployment of the champion as it was asked for: what the endpoint goes back to.
  base_request jsonb not null,
  plan jsonb not null,
  approvals_needed integer not null,
  state text not null,
  -- Of the plan; -1 before the first.
  step integer not null,
  -- The deployment that makes the endpoint what state and step say; null until it is made.
  deployment_id text,
  -- The one before it: another than these two is somebody else's, and ends the release.
  before_deployment_id text not null,
  reasons jsonb not null,
  -- Why the deployment could not be made, while it cannot.
  problem text,
  requested_by text not null,
  started_at bigint not null,
  ended_by text,
  ended_at bigint
);
create unique index one_release_per_endpoint on rollout.releases (organisation_id, environment, endpoint)
  where state in ('running', 'paused');
create index releases_by_endpoint on rollout.releases (organisation_id, endpoint, started_at desc);
create index releases_to_steer on rollout.releases (organisation_id)
  where state in ('running', 'paused') or deployment_id is null;

create table rollout.approvals (
  release_id text not null references rollout.releases (id),
  approved_by text not null,
  approved_at bigint not null,
  primary key (release_id, approved_by)
);

-- Steps that gateways have taken: records name the snapshot that they were answered by, and so belong to a step.
create table rollout.steps (
  release_id text not null references rollout.releases (id),
  step integer not null,
  deployment_id text not null,
  snapshot_version bigint not null,
  since bigint not null,
  primary key (release_id, step)
);

-- Blocks of the prediction log that are counted: each counts once, however often it is delivered. They go when the release has ended.
create table rollout.counted_blocks (
  release_id text not null references rollout.releases (id),
  writer_id text not null,
  epoch bigint not null,
  block bigint not null,
  primary key (release_id, writer_id, epoch, block)
);

-- Harmful events that are heard of elsewhere, each once per prediction. Which prediction it was is kept as a digest, to know it again.
create table rollout.posted_events (
  release_id text not null references rollout.releases (id),
  event text not null,
  prediction_digest text not null,
  snapshot_version bigint not null,
  arm text not null,
  reported_by text not null,
  reported_at bigint not null,
  primary key (release_id, event, prediction_digest)
);

-- What those blocks say, by the snapshot that requests were answered from and the version that was to answer.
create table rollout.counts (
  release_id text not null references rollout.releases (id),
  snapshot_version bigint not null,
  arm text not null,
  requests bigint not null,
  errors bigint not null,
  slow bigint not null,
  fallbacks bigint not null,
  primary key (release_id, snapshot_version, arm)
);
