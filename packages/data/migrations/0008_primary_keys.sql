-- What feature views read of contracts: columns, and which of them say that two rows are the same event.
create or replace view data.contract_columns_v1 as
  select organisation_id, team_id, use_case_id, name, version, body -> 'columns' as columns, published_at,
    coalesce(body -> 'primaryKey', '[]'::jsonb) as primary_key
  from data.contracts;
