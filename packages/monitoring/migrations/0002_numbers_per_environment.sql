-- Deliveries are numbered per environment: one that waits because its environment is forbidden to the gateway holds up no other, and is
-- not taken for one that was added before. What was delivered before this was delivered for every environment.
alter table monitoring.drift_writers drop constraint drift_writers_pkey;
alter table monitoring.drift_writers add column environment text;
insert into monitoring.drift_writers (organisation_id, writer, epoch, principal, last_sequence, environment)
select organisation_id, writer, epoch, principal, last_sequence, named
from monitoring.drift_writers cross join unnest(array['dev', 'staging', 'production']) as each (named);
delete from monitoring.drift_writers where environment is null;
alter table monitoring.drift_writers alter column environment set not null;
alter table monitoring.drift_writers add primary key (organisation_id, writer, epoch, environment);
