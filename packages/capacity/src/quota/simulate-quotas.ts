import { afterTurn, type QuotaState, quotaState, turn, type WaitReason } from "./decide.ts";
import type { TimedJob } from "./read-jobs.ts";
import type { QuotaTree } from "./tree.ts";
import type { QuotaJob } from "./usage.ts";

export interface JobStory {
  readonly job: TimedJob;
  /** All time between arrival and end in which it did not run. */
  readonly waitedMs: number;
  /** When it ended; absent where it never could run. */
  readonly endedAt?: number;
  readonly evictions: readonly { readonly at: number; readonly by: string }[];
  /** Time that it ran for nothing, for it was evicted. */
  readonly lostMs: number;
  /** Why it never ran to its end. */
  readonly waitsFor?: { readonly reason: WaitReason; readonly resource?: string };
}

interface Running {
  readonly job: TimedJob;
  readonly startedAt: number;
  readonly endsAt: number;
}

interface Tally {
  ranMs: number;
  lostMs: number;
  endedAt?: number;
  evictions: { at: number; by: string }[];
}

/** Plays jobs through the quotas, in the order in which things happen: ends first, then arrivals, then turns until nothing changes. Pure. */
export function simulateQuotas(
  tree: QuotaTree,
  jobs: readonly TimedJob[],
  onEnd?: (ended: number) => void,
): readonly JobStory[] {
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const tallies = new Map<string, Tally>(jobs.map(({ id }) => [id, { ranMs: 0, lostMs: 0, evictions: [] }]));
  const tallyOf = (id: string): Tally => tallies.get(id) ?? { ranMs: 0, lostMs: 0, evictions: [] };
  const arrivals = jobs.toSorted((a, b) => a.arrivedAt - b.arrivedAt || (a.id < b.id ? -1 : 1));
  const running = new Map<string, Running>();
  let state = quotaState(tree);
  let pending: readonly QuotaJob[] = [];
  let [arrived, admitted, ended] = [0, 0, 0];
  for (;;) {
    const now = Math.min(
      arrivals[arrived]?.arrivedAt ?? Number.POSITIVE_INFINITY,
      ...[...running.values()].map(({ endsAt }) => endsAt),
    );
    if (now === Number.POSITIVE_INFINITY) break;
    const over = [...running.values()].filter(({ endsAt }) => endsAt <= now);
    for (const { job } of over) {
      running.delete(job.id);
      Object.assign(tallyOf(job.id), { endedAt: now, ranMs: job.durationMs });
      onEnd?.(++ended);
    }
    state = withoutEnded(state, new Set(over.map(({ job }) => job.id)));
    const coming: TimedJob[] = [];
    for (let next = arrivals[arrived]; next && next.arrivedAt <= now; next = arrivals[++arrived])
      coming.push(next);
    pending = [...pending, ...coming];
    for (let next = turn(state, pending).next; next; next = turn(state, pending).next) {
      for (const { id } of next.decision.kind === "preempt" ? next.decision.victims : []) {
        const tally = tallyOf(id);
        tally.lostMs += now - (running.get(id)?.startedAt ?? now);
        tally.evictions.push({ at: now, by: next.job.id });
        running.delete(id);
      }
      ({ state, pending } = afterTurn(state, pending, next, admitted++));
      const job = byId.get(next.job.id);
      if (job) running.set(job.id, { job, startedAt: now, endsAt: now + job.durationMs });
    }
  }
  const { waits } = turn(state, pending);
  const reasons = new Map([...waits].map(([{ id }, { reason, resource }]) => [id, { reason, resource }]));
  return jobs.map((job) => storyOf(job, tallyOf(job.id), reasons.get(job.id)));
}

function withoutEnded(state: QuotaState, ended: ReadonlySet<string>): QuotaState {
  if (ended.size === 0) return state;
  const usage = state.usage.copy();
  for (const job of state.admitted) if (ended.has(job.id)) usage.remove(job);
  return { tree: state.tree, admitted: state.admitted.filter(({ id }) => !ended.has(id)), usage };
}

function storyOf(
  job: TimedJob,
  { endedAt, ranMs, lostMs, evictions }: Tally,
  why: { readonly reason: WaitReason; readonly resource: string | undefined } | undefined,
): JobStory {
  return {
    job,
    waitedMs: endedAt === undefined ? 0 : endedAt - job.arrivedAt - ranMs - lostMs,
    ...(endedAt === undefined ? {} : { endedAt }),
    evictions,
    lostMs,
    ...(why === undefined
      ? {}
      : {
          waitsFor: { reason: why.reason, ...(why.resource === undefined ? {} : { resource: why.resource }) },
        }),
  };
}
