-- Predictions that a charter has explained without anybody asking, and what was found.
create table evaluation.kept_explanations (
  organisation_id text not null,
  prediction_id text not null,
  -- The accepted block that holds the record.
  writer_id text not null,
  epoch bigint not null,
  block bigint not null,
  use_case_id text not null,
  environment text not null,
  endpoint text not null,
  model text not null,
  version text not null,
  artifact text not null,
  -- As the charter said when the record was accepted.
  top integer not null,
  fixed jsonb not null,
  received_at bigint not null,
  chosen_at bigint not null,
  state text not null check (state in ('waiting', 'explained', 'not_explainable')),
  -- Tries that ended the process, and until when it is left alone.
  tries integer not null default 0,
  not_before bigint not null,
  ended_at bigint,
  -- Why it cannot be explained.
  reason text,
  -- Canonical JSON, and the salt that its digest is taken with: nobody can guess the values of one that was erased.
  content text,
  salt text,
  digest text,
  -- Its place under the Merkle root that the ledger row names.
  ledger_row text,
  leaf_index integer,
  leaf_count integer,
  path jsonb,
  primary key (organisation_id, prediction_id)
);
create index kept_explanations_waiting on evaluation.kept_explanations (organisation_id, chosen_at, prediction_id) where state = 'waiting';
create index kept_explanations_ended on evaluation.kept_explanations (organisation_id, ended_at);

-- Blocks of which predictions were chosen: each once, by the charter of that moment.
create table evaluation.chosen_blocks (
  organisation_id text not null,
  writer_id text not null,
  epoch bigint not null,
  block bigint not null,
  use_case_id text not null,
  environment text not null,
  endpoint text not null,
  chosen integer not null,
  -- Chosen, and not explained, because too many waited already.
  passed_over integer not null,
  chosen_at bigint not null,
  primary key (organisation_id, writer_id, epoch, block, use_case_id, environment, endpoint)
);
create index chosen_blocks_passed_over on evaluation.chosen_blocks (organisation_id) where passed_over > 0;
