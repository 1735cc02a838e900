import { type FairStrategy, nodeAt, type QuotaNode, type QuotaTree } from "./tree.ts";
import { type AdmittedJob, type QuotaJob, shareOf, type Usage } from "./usage.ts";

/** A preemption that is looked for: `usage` is a copy that may be changed. */
interface Search {
  readonly tree: QuotaTree;
  readonly usage: Usage;
  readonly job: QuotaJob;
  /** Resources of which there is not enough. */
  readonly short: readonly number[];
}

/** The fewest jobs by Kueue's rules that have to go for this one, in the order of eviction; `undefined` where its policies do not allow enough. */
export function victimsFor(
  usage: Usage,
  admitted: readonly AdmittedJob[],
  job: QuotaJob,
  short: readonly number[],
): readonly AdmittedJob[] | undefined {
  const { tree } = usage;
  const candidates = candidatesOf(tree, admitted, job, short);
  if (candidates.length === 0) return undefined;
  const search = (): Search => ({ tree, usage: usage.copy(), job, short });
  // One that was evicted before and evicted others to borrow again would start a circle (docs/adr/0222).
  const ways = job.wasEvicted === true ? [] : [tree.fairSharing.length > 0 ? fairVictims : borrowersVictims];
  for (const way of [...ways, ownersVictims]) {
    const found = way(search(), candidates);
    if (found) return found;
  }
  return undefined;
}

/** Jobs that use what is short and that the team's policies let it evict, in the order in which they go. */
function candidatesOf(
  tree: QuotaTree,
  admitted: readonly AdmittedJob[],
  job: QuotaJob,
  short: readonly number[],
): AdmittedJob[] {
  const team = nodeAt(tree, job.team);
  const root = team.path.at(-1);
  const policies = team.queue?.preemption;
  if (!policies) return [];
  const isCandidate = (other: AdmittedJob): boolean => {
    if (!short.some((r) => (other.amounts[r] ?? 0) > 0)) return false;
    if (other.team === job.team) {
      if (policies.withinClusterQueue === "never") return false;
      if (other.priority < job.priority) return true;
      const isEqual = other.priority === job.priority;
      return policies.withinClusterQueue !== "lower-priority" && isEqual && byAge(job, other) < 0;
    }
    if (nodeAt(tree, other.team).path.at(-1) !== root || policies.reclaimWithinCohort === "never")
      return false;
    return policies.reclaimWithinCohort === "any" || other.priority < job.priority;
  };
  const isOwn = (other: AdmittedJob): number => (other.team === job.team ? 1 : 0);
  return admitted
    .filter(isCandidate)
    .toSorted(
      (a, b) =>
        isOwn(a) - isOwn(b) ||
        a.priority - b.priority ||
        b.admittedAt - a.admittedAt ||
        (a.id < b.id ? -1 : 1),
    );
}

/** Older first; of the same age by name, so that there is always one answer. */
export function byAge(a: QuotaJob, b: QuotaJob): number {
  return a.arrivedAt - b.arrivedAt || (a.id < b.id ? -1 : Number(a.id > b.id));
}

function borrowersVictims(
  search: Search,
  candidates: readonly AdmittedJob[],
): readonly AdmittedJob[] | undefined {
  return quotaVictims(search, candidates, true);
}

function ownersVictims(
  search: Search,
  candidates: readonly AdmittedJob[],
): readonly AdmittedJob[] | undefined {
  return quotaVictims(search, candidates, false);
}

/**
 * By quotas and priorities alone.
 *
 * @param mayBorrow whether the team may be above its own afterwards; then it takes from others only where a cohort of its own stays within its quota,
 *   or by `borrowWithinCohort`
 */
function quotaVictims(
  search: Search,
  candidates: readonly AdmittedJob[],
  mayBorrow: boolean,
): readonly AdmittedJob[] | undefined {
  const { usage, job, tree } = search;
  const isReached = (): boolean => usage.fits(job) && (mayBorrow || usage.isWithinNominal(job));
  const entitled = mayBorrow ? entitledNodes(search) : new Set([job.team]);
  const victims: AdmittedJob[] = [];
  for (const candidate of candidates) {
    if (candidate.team !== job.team) {
      const { mine, theirs } = sides(tree, job.team, candidate.team);
      if (!theirs.every((node) => usage.isBorrowing(node, search.short))) continue;
      if (!mine.some(({ index }) => entitled.has(index)) && !mayBorrowFrom(search, candidate)) continue;
    }
    usage.remove(candidate);
    victims.push(candidate);
    if (isReached()) return spared(search, victims, isReached);
  }
  return undefined;
}

/** Nodes from the team upwards that stay within their own quota with the job: what they lack is theirs to reclaim. */
function entitledNodes({ tree, usage, job }: Search): Set<number> {
  const after = usage.copy();
  after.add(job);
  return new Set(
    nodeAt(tree, job.team).path.filter((index) => {
      const { subtree } = nodeAt(tree, index);
      return job.amounts.every((amount, r) => amount === 0 || after.of(index, r) <= (subtree[r] ?? 0));
    }),
  );
}

function mayBorrowFrom({ tree, job }: Search, candidate: AdmittedJob): boolean {
  const policy = nodeAt(tree, job.team).queue?.preemption.borrowWithinCohort;
  if (policy?.policy !== "lower-priority") return false;
  return (
    candidate.priority < job.priority &&
    candidate.priority <= (policy.maxPriority ?? Number.POSITIVE_INFINITY)
  );
}

/** The two paths up to, and without, the lowest cohort that both are in. */
function sides(
  tree: QuotaTree,
  team: number,
  other: number,
): { readonly mine: readonly QuotaNode[]; readonly theirs: readonly QuotaNode[] } {
  const [a, b] = [nodeAt(tree, team).path, nodeAt(tree, other).path];
  const nodes = (path: readonly number[], away: readonly number[]): QuotaNode[] =>
    path.filter((index) => !away.includes(index)).map((index) => nodeAt(tree, index));
  return { mine: nodes(a, b), theirs: nodes(b, a) };
}

/** Lets those stay that need not go after all: the last ones first, for they are the dearest. */
function spared(
  { usage }: Search,
  victims: readonly AdmittedJob[],
  isReached: () => boolean,
): readonly AdmittedJob[] {
  const gone = [...victims];
  for (const victim of victims.slice(0, -1).toReversed()) {
    usage.add(victim);
    if (isReached()) gone.splice(gone.indexOf(victim), 1);
    else usage.remove(victim);
  }
  return gone;
}

/** With fair sharing: from whoever has the largest share, while the job's side stays at or below theirs. */
function fairVictims(search: Search, candidates: readonly AdmittedJob[]): readonly AdmittedJob[] | undefined {
  const { tree, usage, job } = search;
  const isReached = (): boolean => {
    usage.remove(job);
    const fits = usage.fits(job);
    usage.add(job);
    return fits;
  };
  const entitled = entitledNodes(search);
  usage.add(job);
  const victims: AdmittedJob[] = [];
  for (const strategy of tree.fairSharing) {
    const left = new Set(candidates.filter((candidate) => !victims.includes(candidate)));
    for (;;) {
      const candidate = dearest(search, [...left]);
      if (!candidate) break;
      left.delete(candidate);
      if (candidate.team !== job.team && !isFair(search, candidate, strategy, entitled)) continue;
      usage.remove(candidate);
      victims.push(candidate);
      if (isReached()) return spared(search, victims, isReached);
    }
  }
  return undefined;
}

/** The first candidate of the team to which the largest shares lead, from the root down; its own team's where there is none that borrows. */
function dearest(
  { tree, usage, job, short }: Search,
  candidates: readonly AdmittedJob[],
): AdmittedJob | undefined {
  const ranked = candidates.flatMap((candidate) => {
    if (candidate.team === job.team) return [];
    const { theirs } = sides(tree, job.team, candidate.team);
    if (!theirs.every((node) => usage.isBorrowing(node, short))) return [];
    return [{ candidate, shares: theirs.map((node) => shareOf(usage, node)).toReversed() }];
  });
  const [first] = ranked.toSorted((a, b) => compareShares(b.shares, a.shares));
  return first?.candidate ?? candidates.find(({ team }) => team === job.team);
}

function compareShares(a: readonly number[], b: readonly number[]): number {
  for (const [index, share] of a.entries()) {
    const other = b[index] ?? 0;
    if (share !== other) return share < other ? -1 : 1;
  }
  return 0;
}

/** Compared where the two paths part: between the members of the lowest cohort that both are in. */
function isFair(
  { tree, usage, job }: Search,
  candidate: AdmittedJob,
  strategy: FairStrategy,
  entitled: ReadonlySet<number>,
): boolean {
  const { mine, theirs } = sides(tree, job.team, candidate.team);
  const [own, other] = [mine.at(-1), theirs.at(-1)];
  if (!own || !other) return false;
  if (mine.some(({ index }) => entitled.has(index))) return true;
  const share = shareOf(usage, own);
  const before = shareOf(usage, other);
  if (strategy === "initial-share") return share < before;
  usage.remove(candidate);
  const after = shareOf(usage, other);
  usage.add(candidate);
  return share <= after;
}
