-- A trigger that waits until there is room: why, and since when. It goes when the retraining begins, or when nothing would start one any more.
create table retraining.holds (
  organisation_id text not null,
  environment text not null,
  endpoint text not null,
  trigger text not null,
  -- What holds it, by kind; the words may change with each look.
  by text[] not null,
  because text not null,
  since bigint not null,
  primary key (organisation_id, environment, endpoint)
);
