-- Which deployments named a version, as champion, variant or secondary: they are attested of it.
create index deployments_by_route on serving.deployments using gin (route jsonb_path_ops);
