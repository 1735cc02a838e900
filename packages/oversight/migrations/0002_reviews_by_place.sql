-- Where there are reviews: asked at every look at the queue.
create index reviews_by_place on oversight.reviews (organisation_id, environment, use_case_id);
