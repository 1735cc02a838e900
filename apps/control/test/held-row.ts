/** Inserts a training run's place in the queue, of nobody else than `x`, which awaits approval. */
export function heldRow(
  id: string,
  organisation: string,
  place: { readonly environment: string; readonly useCase?: string },
  at: number,
): [text: string, values: unknown[]] {
  return [
    `insert into capacity.workloads (id, organisation_id, kind, environment, use_case_id, job, started_by, asked, assumed, priority,
       is_preemptible, state, arrived_at, approval, approval_for)
     values ($1, $2, 'training', $3, $4, 'job_none', 'x', '{}', '{}', 0, false, 'waiting', $5, 'awaited', '8 cards, above 4')`,
    [id, organisation, place.environment, place.useCase ?? null, at],
  ];
}
