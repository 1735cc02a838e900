-- Whoever subscribed may not any more, or the data may not be held here.
alter table data.subscriptions drop constraint subscriptions_state_check;
alter table data.subscriptions add constraint subscriptions_state_check
  check (state in ('starting', 'reading', 'full', 'retrying', 'refused', 'stopped'));
