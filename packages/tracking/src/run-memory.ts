import type { RunRow } from "./store.ts";

/** What of a run never changes: whose and where it is, and who made it. */
export type RunFacts = Pick<
  RunRow,
  "run_id" | "organisation_id" | "environment" | "use_case_id" | "origin" | "started_by" | "started_at"
>;

const mostKept = 10_000;

/** Facts of the runs that were logged to last. Whether a run takes anything is not among them: that is read where it is written. */
export class RunMemory {
  readonly #kept = new Map<string, RunFacts>();

  get(runId: string): RunFacts | undefined {
    const known = this.#kept.get(runId);
    if (known === undefined) return undefined;
    // Put last again: the one that was asked for longest ago goes first.
    this.#kept.delete(runId);
    this.#kept.set(runId, known);
    return known;
  }

  /** @param row of which the facts alone are kept */
  keep(row: RunFacts): void {
    const { run_id, organisation_id, environment, use_case_id, origin, started_by, started_at } = row;
    this.#kept.set(run_id, {
      run_id,
      organisation_id,
      environment,
      use_case_id,
      origin,
      started_by,
      started_at,
    });
    const oldest = this.#kept.size > mostKept ? this.#kept.keys().next().value : undefined;
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}
