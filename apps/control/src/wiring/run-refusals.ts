/** Refusals of one run that have a row of their own; what a trainer asks for after that is counted. */
const rowsPerRun = 5;
/** Runs that are remembered; the one that was refused longest ago is forgotten first, and has its rows anew. */
const mostRuns = 1_000;

/**
 * Says of each refusal of a run's token whether it has a row of its own. A trainer is other people's code, and a row of the ledger is for
 * good: it must not write as many as it likes by asking for what it may not have.
 */
export function createRunRefusals(): { hasRow(runId: string): boolean } {
  const refusals = new Map<string, number>();
  return {
    hasRow: (runId) => {
      const before = refusals.get(runId) ?? 0;
      refusals.delete(runId);
      refusals.set(runId, before + 1);
      for (const oldest of refusals.keys()) {
        if (refusals.size <= mostRuns) break;
        refusals.delete(oldest);
      }
      return before < rowsPerRun;
    },
  };
}
