-- Answers of a release by cell of what they say, where its plan asks whether both versions answer alike. Added up block by block, as requests are.
create table rollout.answer_counts (
  release_id text not null references rollout.releases (id),
  snapshot_version bigint not null,
  arm text not null,
  -- From 0: below the plan's first edge.
  cell integer not null,
  answers bigint not null,
  primary key (release_id, snapshot_version, arm, cell)
);
