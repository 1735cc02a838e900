-- Work that asks for more than its charter lets begin by itself, and what was said to it.
alter table capacity.workloads
  -- Whom the caller acted for, if for somebody.
  add column started_for text,
  -- On another cluster: it has no part of the quotas.
  add column is_elsewhere boolean not null default false,
  -- Null: nobody need approve it.
  add column approval text check (approval in ('awaited', 'approved', 'refused')),
  -- What of it is above which size.
  add column approval_for text,
  add column approval_by text,
  add column approval_at bigint,
  add column approval_reason text,
  add constraint workloads_approval_says_what check (approval is null or approval_for is not null),
  add constraint workloads_approval_says_who check (
    (coalesce(approval, '') in ('approved', 'refused')) = (approval_by is not null and approval_at is not null)
  );
