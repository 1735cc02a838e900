-- Endpoints, what was deployed behind them, and the snapshots that gateways serve from. Times are epoch microseconds.
create schema if not exists serving;

create table serving.endpoints (
  id text primary key,
  organisation_id text not null,
  name text not null,
  environment text not null check (environment in ('dev', 'staging', 'production')),
  business_unit_id text not null,
  team_id text,
  use_case_id text not null,
  -- The deployment that is in force; earlier ones stay as rows.
  deployment_id text not null,
  created_at bigint not null,
  created_by text not null,
  -- What the last snapshot made of it: route, charter, or why it was left out; null before the first.
  served jsonb,
  unique (organisation_id, environment, name)
);

create table serving.deployments (
  id text primary key,
  endpoint_id text not null references serving.endpoints (id) deferrable initially deferred,
  organisation_id text not null,
  -- The route under the charter of that moment; never changed after it is written. Snapshots carry it under the charter in force.
  route jsonb not null,
  -- What the deployer asked for, from which the route is derived again.
  request jsonb not null,
  -- The last deployment of this endpoint with another model: it alone may stand in.
  previous_id text references serving.deployments (id),
  deployed_at bigint not null,
  deployed_by text not null,
  -- First snapshot that carried it; null until published.
  snapshot_version bigint
);
create index deployments_by_endpoint on serving.deployments (endpoint_id, deployed_at);

create table serving.snapshots (
  organisation_id text not null,
  version bigint not null,
  -- Digest over the parts' list: an unchanged one is not published again.
  content_digest text not null,
  signed jsonb not null,
  manifest jsonb not null,
  -- Every digest that a gateway may fetch on the strength of this snapshot, for which environments, and where its bytes may go.
  fetchable jsonb not null,
  -- Routes that a charter keeps to some places.
  placed jsonb not null,
  created_at bigint not null,
  primary key (organisation_id, version)
);

-- What gateways declared of themselves.
create table serving.gateways (
  organisation_id text not null,
  name text not null,
  region text not null,
  owner text not null,
  declared_at bigint not null,
  declared_by text not null,
  -- Routes of the newest snapshot that the gateway is not given, as the ledger has it.
  excluded jsonb not null,
  primary key (organisation_id, name)
);
