alter table monitoring.alerts drop constraint alerts_kind_check;
alter table monitoring.alerts add constraint alerts_kind_check
  check (kind in ('performance', 'drift', 'concept', 'objective', 'review', 'budget', 'idle'));
