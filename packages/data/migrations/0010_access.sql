-- What an organisation's policies on data say. One row per version: the newest that is not withdrawn holds.
create table data.access_policies (
  id bigint generated always as identity primary key,
  organisation_id text not null,
  name text not null,
  digest text not null,
  document text not null,
  body jsonb not null,
  published_by text not null,
  published_at bigint not null,
  withdrawn_by text,
  withdrawn_at bigint
);
create unique index access_policies_in_force on data.access_policies (organisation_id, name) where withdrawn_at is null;
