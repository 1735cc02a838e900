-- Until when control's own sources were read; all is read again from the start where there is no row.
create table metering.collected (
  organisation_id text not null,
  source text not null,
  up_to bigint not null,
  primary key (organisation_id, source)
);
