-- What became of a release's predictions, as it is known: labels come late and are corrected, and the counts are made anew of all of them.
create table rollout.outcome_counts (
  release_id text not null references rollout.releases (id),
  snapshot_version bigint not null,
  arm text not null,
  labelled bigint not null,
  wrong bigint not null,
  primary key (release_id, snapshot_version, arm)
);
