-- What the machine of a process was busy with, second by second, in buckets; one row a minute for each machine and thing.
create table monitoring.machine_counts (
  machine text not null,
  -- Start, epoch microseconds.
  minute bigint not null,
  what text not null,
  counts bigint[] not null,
  primary key (machine, minute, what)
);
create index machine_counts_by_minute on monitoring.machine_counts (minute);
