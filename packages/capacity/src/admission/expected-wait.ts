import { afterTurn, type QuotaState, turn } from "../quota/decide.ts";
import type { QuotaTree } from "../quota/tree.ts";
import { type QuotaJob, Usage } from "../quota/usage.ts";
import { sortedOut, stateOf } from "./round.ts";
import type { Workload } from "./workload.ts";

/** How long work took that has ended. */
export interface EndedWork {
  readonly kind: Workload["kind"];
  readonly team?: string;
  readonly micros: number;
}

/** A wait that depends on more turns than that is not foreseen. */
const mostTurns = 2000;

/** How long work takes: the median of its kind in its team, else of its kind; undefined where none of it has ended yet. Pure. */
export function usualMicros(
  ended: readonly EndedWork[],
): (work: Pick<Workload, "kind" | "team">) => number | undefined {
  const medians = new Map<string, number | undefined>();
  const of = (kind: string, team?: string): number | undefined => {
    const key = team === undefined ? kind : `${kind} ${team}`;
    if (!medians.has(key))
      medians.set(
        key,
        median(
          ended.flatMap((one) =>
            one.kind === kind && (team === undefined || one.team === team) ? [one.micros] : [],
          ),
        ),
      );
    return medians.get(key);
  };
  return ({ kind, team }) => (team === undefined ? undefined : of(kind, team)) ?? of(kind);
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

/**
 * When work that waits is let in, were all else to take as long as it usually does and nothing more to come; in microseconds from now. Undefined where
 * it never is, or where work is in its way of which nobody knows how long it takes. Pure.
 */
export function expectedWait(
  tree: QuotaTree,
  open: readonly Workload[],
  id: string,
  { now, usual }: { readonly now: number; readonly usual: ReturnType<typeof usualMicros> },
): number | undefined {
  // What may not begin yet comes to the others when its window opens.
  const opens = new Map(
    open.flatMap(({ id: one, state: is, notBefore = 0 }) =>
      is === "waiting" && notBefore > now ? [[one, notBefore] as const] : [],
    ),
  );
  const { jobs } = sortedOut(tree, open, Number.POSITIVE_INFINITY);
  if (!jobs.has(id)) return undefined;
  const byId = new Map(open.map((work) => [work.id, work]));
  const holding = open.filter((work) => jobs.has(work.id) && ["admitted", "running"].includes(work.state));
  const takes = (one: string): number => {
    const work = byId.get(one);
    return (work && usual(work)) ?? Number.POSITIVE_INFINITY;
  };
  const ends = new Map(
    holding.map((work) => [work.id, Math.max(now, now - ranFor(work, now) + takes(work.id))]),
  );
  let state: QuotaState = stateOf(tree, holding, jobs);
  let pending: readonly QuotaJob[] = open.flatMap(({ id: one, state: is }) => {
    const job = (is === "waiting" || is === "evicting") && !opens.has(one) ? jobs.get(one) : undefined;
    return job ? [job] : [];
  });
  let at = now;
  for (let turns = 0; turns < mostTurns; turns++) {
    const { next } = turn(state, pending);
    if (next) {
      for (const victim of next.decision.kind === "preempt" ? next.decision.victims : [])
        ends.delete(victim.id);
      ({ state, pending } = afterTurn(state, pending, next, Number.MAX_SAFE_INTEGER - mostTurns + turns));
      if (next.job.id === id) return at - now;
      ends.set(next.job.id, at + takes(next.job.id));
      continue;
    }
    const first = Math.min(...ends.values(), ...opens.values());
    if (!Number.isFinite(first)) return undefined;
    at = Math.max(at, first);
    for (const [one, opensAt] of opens) {
      const job = opensAt <= at ? jobs.get(one) : undefined;
      if (opensAt <= at) opens.delete(one);
      if (job) pending = [...pending, job];
    }
    const over = new Set([...ends].filter(([, end]) => end <= at).map(([one]) => one));
    for (const one of over) ends.delete(one);
    state = without(tree, state, over, jobs);
  }
  return undefined;
}

function ranFor({ begunAt, ranMicros }: Workload, now: number): number {
  return ranMicros + (begunAt === undefined ? 0 : now - begunAt);
}

function without(
  tree: QuotaTree,
  state: QuotaState,
  over: ReadonlySet<string>,
  jobs: ReadonlyMap<string, QuotaJob>,
): QuotaState {
  const usage: Usage = state.usage.copy();
  for (const id of over) {
    const job = jobs.get(id);
    if (job) usage.remove(job);
  }
  return { tree, admitted: state.admitted.filter(({ id }) => !over.has(id)), usage };
}
