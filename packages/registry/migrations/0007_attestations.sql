-- Statements about a version over the digest that its signature is over, each signed and each made once. The statement is an object.
create table registry.attestations (
  version_id text not null references registry.versions (id),
  -- What is attested: `training`, `evaluation/<id>` or `promotion/<number>`.
  about text not null,
  predicate_type text not null,
  digest text not null,
  size_bytes bigint not null,
  signing_key_id text not null,
  signed_at bigint not null,
  primary key (version_id, about)
);

-- What a promotion was judged by. Null for promotions of before.
alter table registry.promotions add column gates jsonb, add column charter_id text;
