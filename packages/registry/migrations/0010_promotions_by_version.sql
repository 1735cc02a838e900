-- Whether a version was promoted, and where, is asked for it alone.
create index promotions_by_version on registry.promotions (version_id);
