-- What others may read of concluded reviews: where they belong, and when; neither what they are about nor who it was.
create view oversight.concluded_v1 as
select c.review_id, row_number() over (partition by c.review_id order by c.claimed_at, c.reviewer) as person, r.organisation_id, r.environment,
  r.use_case_id, r.model_name as model, c.claimed_at, c.concluded_at
from oversight.claims c join oversight.reviews r on r.id = c.review_id where c.concluded_at is not null;
