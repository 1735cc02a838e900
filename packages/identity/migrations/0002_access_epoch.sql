-- Changes whenever anything does on which it depends who somebody is and what they may do: what was read before is good for as long as
-- this stands. It is changed by the database itself, in the transaction of the change, so that no path can forget it.
create table identity.access_epoch (
  one boolean primary key default true check (one),
  epoch bigint not null
);
insert into identity.access_epoch (epoch) values (1);

create function identity.move_access_epoch() returns trigger language plpgsql as $$
begin
  update identity.access_epoch set epoch = epoch + 1;
  return null;
end
$$;

create trigger access_epoch after insert or update or delete or truncate on identity.organisations
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.business_units
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.teams
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.use_cases
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.users
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.service_accounts
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.external_subjects
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.role_bindings
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.signing_keys
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.oidc_issuers
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.issuer_audiences
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.issuer_keys
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.revocation_epochs
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.revocations
  for each statement execute function identity.move_access_epoch();
create trigger access_epoch after insert or update or delete or truncate on identity.policy_sets
  for each statement execute function identity.move_access_epoch();
-- When a key was last used changes nothing of what it is good for.
create trigger access_epoch after insert or delete or truncate or update of
  organisation_id, principal_id, environment, scopes, expires_at, revoked_at on identity.api_keys
  for each statement execute function identity.move_access_epoch();
