/** A step of a chain by what it needs: a model's run, or a rule or constant, which answers at once. */
export type StepKind = "model" | "local";

/** Part of the whole time that is kept for each later model. */
const modelPart = 0.2;
/** Part of the whole time that is kept for rules and constants together: they take none, timers and the event loop do. */
const localPart = 0.1;
/** The first step has at least this part; what is kept for later models is less where there are many. */
const leastFirst = 0.5;

const alone: readonly number[] = [1];

/**
 * By which part of the whole time each step of a chain has to have answered: one figure for the first step, then one for each later one.
 * Steps that all hang until then leave every model after them the same part of the time, and a rule or constant at the end its tenth;
 * together they take no more than the whole. A step that fails at once leaves its time to the next. Pure.
 */
export function answerBy(later: readonly StepKind[]): readonly number[] {
  if (later.length === 0) return alone;
  let models = 0;
  for (const kind of later) if (kind === "model") models++;
  const locals = models < later.length ? localPart : 0;
  const kept = Math.min(modelPart, (1 - leastFirst - locals) / models);
  const parts = [...later.map(() => 1), 1];
  let end = 1;
  let hasLocal = false;
  for (let at = later.length; at > 0; at--) {
    parts[at] = end;
    if (later[at - 1] === "model") end -= kept;
    else if (!hasLocal) {
      hasLocal = true;
      end -= locals;
    }
  }
  parts[0] = end;
  return parts;
}

/** How long a step may take that has to have answered by that part of the whole time, milliseconds; 0 or less: its time is over. */
export function shareMs(
  { timeoutMs, elapsedMs }: { readonly timeoutMs: number; readonly elapsedMs: () => number },
  by: number,
): number {
  return timeoutMs * by - elapsedMs();
}

/**
 * Whether a run that was late had too little time to say anything about its model: its caller asked for less than the charter's time, its
 * step had little left, or its turn came late, as that of a step behind one that hung: it is judged once the other's circuit is open, and its turn comes in
 * good time. Measured by what such a step has of a request that comes in good time.
 */
export function wasHurried(ranMs: number, longestMs: number, by: number): boolean {
  return ranMs < (longestMs * by) / 2;
}
