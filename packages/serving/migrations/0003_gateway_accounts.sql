-- The account that alone may speak for a gateway, and for no other: that of a device that stands where anybody may open it.
alter table serving.gateways add column account text;
create unique index gateways_by_account on serving.gateways (organisation_id, account);
