-- Charters: one row per version, immutable but for its status. Times are epoch microseconds (UTC).
create schema if not exists charter;

create table charter.charters (
  id text primary key,
  organisation_id text not null,
  business_unit_id text not null,
  team_id text not null,
  use_case_id text not null,
  use_case_name text not null,
  version bigint not null check (version > 0),
  -- SHA-256 of the canonical form of `document`; checked at every read.
  digest text not null,
  document jsonb not null,
  -- The file as it was written, with its comments, when it came as YAML; `lines` says where each value stands.
  source text,
  lines jsonb not null,
  status text not null check (status in ('draft', 'partially_signed', 'in_force', 'superseded', 'withdrawn')),
  created_at bigint not null,
  created_by text not null,
  in_force_since bigint,
  ended_at bigint,
  unique (use_case_id, version)
);
create unique index charters_one_in_force on charter.charters (use_case_id) where status = 'in_force';
create index charters_of_organisation on charter.charters (organisation_id, use_case_name, version);

create table charter.signatures (
  id text primary key,
  charter_id text not null references charter.charters (id),
  role text not null,
  signer_id text not null,
  key_id text not null,
  -- Copied, so that an exported bundle verifies without this database.
  public_key_pem text not null,
  signature_base64 text not null,
  signed_at bigint not null,
  unique (charter_id, role),
  unique (charter_id, signer_id),
  unique (charter_id, key_id)
);

-- What other domains read. Version 1 of the view: columns are added, never changed or removed.
create view charter.in_force_v1 as
  select organisation_id, use_case_id, use_case_name, id as charter_id, version, digest, document as body, in_force_since
  from charter.charters
  where status = 'in_force';
