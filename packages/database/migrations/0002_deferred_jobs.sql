-- How often a job asked to go on later: such a start ended as it should, and is none of those that took their process down.
alter table database.job_runs add column deferrals integer not null default 0;
