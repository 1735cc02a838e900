-- Plans are kept, so that plan and actual can be compared. Rows are never changed. Times are epoch microseconds (UTC).
create schema if not exists planner;

create table planner.plans (
  id text primary key,
  organisation_id text not null,
  -- Null for a plan of a file that was never submitted.
  charter_id text,
  use_case_id text,
  business_unit_id text,
  team_id text,
  use_case_name text not null,
  charter_digest text not null,
  plan jsonb not null,
  plan_digest text not null,
  created_at bigint not null,
  created_by text not null
);
create index plans_of_use_case on planner.plans (organisation_id, use_case_name, created_at desc);
