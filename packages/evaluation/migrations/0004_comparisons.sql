-- Two versions of a model on the same held-out rows. Rows are only added; the newest one of two versions counts.
create table evaluation.comparisons (
  id text primary key,
  organisation_id text not null,
  model text not null,
  challenger bigint not null,
  champion bigint not null,
  challenger_version_id text not null,
  champion_version_id text not null,
  training_set_id text not null,
  -- The same rows with the champion's features; the same set where both take the same.
  champion_training_set_id text not null,
  dataset text not null,
  row_count bigint not null,
  positives bigint not null,
  -- Different sets of rows that these two were compared on until then, this one included.
  sets_tried integer not null,
  held_out jsonb not null,
  -- What the challenger had to show, and what it showed.
  rule jsonb not null,
  compared jsonb not null,
  is_better boolean not null,
  created_by text not null,
  created_at bigint not null
);
create index comparisons_newest on evaluation.comparisons (challenger_version_id, champion_version_id, created_at desc, id desc);
create index comparisons_by_version on evaluation.comparisons (organisation_id, model, challenger, created_at desc);
