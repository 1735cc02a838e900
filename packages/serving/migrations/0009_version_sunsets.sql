-- An announced end may be that of one version of an endpoint; both null: of the endpoint.
alter table serving.sunsets add column model text;
alter table serving.sunsets add column version bigint;
drop index serving.sunsets_in_force;
create unique index sunsets_in_force on serving.sunsets (endpoint_id, coalesce(version, 0)) where withdrawn_at is null;
