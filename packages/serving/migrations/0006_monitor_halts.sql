-- The alert for which the platform itself halted an endpoint, as its charter says; null: a person halted it, and only a person ends that.
alter table serving.halts add column alert_id text;
