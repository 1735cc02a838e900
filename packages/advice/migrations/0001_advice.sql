-- What was recommended, and what became of it. Figures of money are exact text with their currency.
create schema if not exists advice;

create table advice.recommendations (
  organisation_id text not null,
  -- The same for the same kind of advice about the same thing.
  id text not null,
  environment text not null,
  use_case_id text,
  -- As it was found last.
  recommendation jsonb not null,
  state text not null check (state in ('open', 'followed', 'dismissed')),
  first_found_at bigint not null,
  -- What the thing cost in a month when it was found last, and when its cause was gone; null without a price.
  cost_before text,
  cost_after text,
  gone_at bigint,
  dismissed_by text,
  dismissed_at bigint,
  reason text,
  primary key (organisation_id, id),
  constraint gone_is_followed check ((state = 'followed') = (gone_at is not null)),
  constraint dismissed_by_somebody check ((state = 'dismissed') = (dismissed_by is not null and reason is not null))
);
