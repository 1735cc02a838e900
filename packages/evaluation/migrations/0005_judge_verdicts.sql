-- What a judge said of an answer, by the digest of judge, question, source and answer: it is asked once, and evaluations replay it.
create table evaluation.judge_verdicts (
  organisation_id text not null,
  key text not null,
  -- The judge's artifact.
  judge text not null,
  verdict text not null check (verdict in ('faithful', 'unfaithful')),
  created_at bigint not null,
  primary key (organisation_id, key)
);
