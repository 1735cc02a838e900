-- Accounts that speak for one gateway and for no other: those of devices that stand where anybody may open them. A row is never taken back: the key
-- that lies in an old device must not become free because the gateway got another account.
create table serving.gateway_accounts (
  organisation_id text not null,
  account text not null,
  gateway text not null,
  primary key (organisation_id, account)
);

-- The account that speaks for a gateway now.
alter table serving.gateways add column account text;
