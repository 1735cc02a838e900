-- Who may do what, where. Times are epoch microseconds (UTC). Rows are not deleted: they are disabled, retired or revoked.
create schema if not exists identity;

create table identity.organisations (
  id text primary key,
  name text not null unique,
  display_name text not null,
  -- The organisation that owns this installation; it alone may create further ones.
  home boolean not null default false,
  created_at bigint not null,
  created_by text not null
);
create unique index organisations_one_home on identity.organisations (home) where home;

create table identity.business_units (
  id text primary key,
  organisation_id text not null references identity.organisations (id),
  name text not null,
  display_name text not null,
  created_at bigint not null,
  created_by text not null,
  unique (organisation_id, name)
);

create table identity.teams (
  id text primary key,
  organisation_id text not null references identity.organisations (id),
  business_unit_id text not null references identity.business_units (id),
  name text not null,
  display_name text not null,
  created_at bigint not null,
  created_by text not null,
  unique (organisation_id, name)
);

create table identity.use_cases (
  id text primary key,
  organisation_id text not null references identity.organisations (id),
  business_unit_id text not null references identity.business_units (id),
  team_id text not null references identity.teams (id),
  name text not null,
  display_name text not null,
  created_at bigint not null,
  created_by text not null,
  unique (organisation_id, name)
);

create table identity.users (
  id text primary key,
  organisation_id text not null references identity.organisations (id),
  name text not null,
  display_name text not null,
  email text,
  created_at bigint not null,
  created_by text not null,
  disabled_at bigint,
  unique (organisation_id, name)
);

create table identity.service_accounts (
  id text primary key,
  organisation_id text not null references identity.organisations (id),
  name text not null,
  display_name text not null,
  created_at bigint not null,
  created_by text not null,
  disabled_at bigint,
  unique (organisation_id, name)
);

-- How a token of an outside issuer finds its principal here.
create table identity.external_subjects (
  issuer text not null,
  subject text not null,
  organisation_id text not null references identity.organisations (id),
  principal_id text not null,
  created_at bigint not null,
  primary key (issuer, subject, organisation_id)
);
create index external_subjects_of_principal on identity.external_subjects (principal_id);

create table identity.role_bindings (
  id text primary key,
  organisation_id text not null references identity.organisations (id),
  principal_id text not null,
  role text not null,
  scope_kind text not null check (scope_kind in ('organisation', 'business_unit', 'team', 'use_case')),
  scope_id text not null,
  environments text[] not null,
  created_at bigint not null,
  created_by text not null,
  revoked_at bigint,
  revoked_by text
);
create index role_bindings_of_principal on identity.role_bindings (principal_id) where revoked_at is null;
create unique index role_bindings_once on identity.role_bindings (principal_id, role, scope_id) where revoked_at is null;

create table identity.api_keys (
  id text primary key,
  organisation_id text not null references identity.organisations (id),
  principal_id text not null,
  principal_kind text not null check (principal_kind in ('user', 'service_account')),
  name text not null,
  environment text not null,
  -- Null: the full rights of the principal.
  scopes text[],
  secret_sha256 text not null unique,
  created_at bigint not null,
  created_by text not null,
  expires_at bigint not null,
  revoked_at bigint,
  last_used_at bigint
);
create index api_keys_of_principal on identity.api_keys (principal_id);

create table identity.signing_keys (
  id text primary key,
  purpose text not null,
  algorithm text not null,
  public_key_pem text not null unique,
  -- Null: a key of the platform, whose private half lies in the keys folder.
  holder text,
  organisation_id text references identity.organisations (id),
  valid_from bigint not null,
  retired_at bigint,
  revoked_at bigint,
  revocation_reason text,
  created_by text not null
);
create unique index signing_keys_one_active on identity.signing_keys (purpose)
  where holder is null and retired_at is null and revoked_at is null;
create index signing_keys_of_holder on identity.signing_keys (holder);

create table identity.oidc_issuers (
  organisation_id text not null references identity.organisations (id),
  issuer text not null,
  audiences text[] not null,
  algorithms text[] not null,
  jwks_uri text,
  jwks jsonb,
  token_type text not null check (token_type in ('at+jwt', 'JWT')),
  subject_claim text not null,
  environments text[] not null,
  environments_claim text,
  created_at bigint not null,
  created_by text not null,
  disabled_at bigint,
  primary key (organisation_id, issuer)
);

-- An issuer's audience belongs to one organisation of the installation: nobody can lay claim to another's tokens.
create table identity.issuer_audiences (
  issuer text not null,
  audience text not null,
  organisation_id text not null references identity.organisations (id),
  primary key (issuer, audience)
);
create index issuer_audiences_of_organisation on identity.issuer_audiences (organisation_id, issuer);

-- The last good keys of each published set, so that a restart during an issuer's outage locks nobody out.
create table identity.issuer_keys (
  jwks_uri text primary key,
  keys jsonb not null,
  fetched_at bigint not null
);

-- One increasing number per organisation: whoever caches an authentication asks for this before trusting it.
create table identity.revocation_epochs (
  organisation_id text primary key references identity.organisations (id),
  epoch bigint not null
);

create table identity.revocations (
  organisation_id text not null references identity.organisations (id),
  epoch bigint not null,
  kind text not null check (kind in ('api_key', 'token', 'principal', 'signing_key', 'role_binding', 'issuer', 'policy')),
  subject text not null,
  revoked_at bigint not null,
  revoked_by text not null,
  reason text,
  primary key (organisation_id, epoch)
);

-- The organisation's own Cedar files, beside the built-in ones. A new version replaces the whole set.
create table identity.policy_sets (
  organisation_id text not null references identity.organisations (id),
  version bigint not null,
  digest text not null,
  files jsonb not null,
  created_at bigint not null,
  created_by text not null,
  primary key (organisation_id, version)
);
