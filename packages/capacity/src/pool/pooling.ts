/** Cards that a team has in use from one instant to the team's next one. */
export interface Usage {
  readonly team: string;
  /** Epoch microseconds. */
  readonly at: number;
  readonly gpus: number;
}

export interface TeamUse {
  readonly team: string;
  /** Cards of its own. */
  readonly dedicated: number;
  readonly peak: number;
  /** Time-weighted mean of the cards in use. */
  readonly mean: number;
  /** `mean` of `dedicated`, 0 to 1. */
  readonly utilisation: number;
}

export interface Pooling {
  readonly teams: readonly TeamUse[];
  /** Cards where each team has its own. */
  readonly dedicated: number;
  readonly dedicatedUtilisation: number;
  /** Cards of one pool that is never short. */
  readonly pooled: number;
  readonly pooledUtilisation: number;
  /** Smaller pools, the largest first, and the share of the time in which each is short, 0 to 1. */
  readonly shortfalls: readonly { readonly gpus: number; readonly shortOfTime: number }[];
  /** What all teams together use, step by step. */
  readonly course: readonly { readonly at: number; readonly gpus: number }[];
}

/**
 * The cards that teams need each for themselves beside those of one pool: a pool needs the highest sum, not the sum of the highest. Each use lasts until the
 * team's next; the last ones end at the end of the record.
 *
 * @param dedicated cards of a team's own; a team that is not named has as many as its peak
 */
export function comparePooling(
  usage: readonly Usage[],
  dedicated: ReadonlyMap<string, number> = new Map(),
): Pooling {
  const steps = usage.toSorted((a, b) => a.at - b.at);
  const from = steps[0]?.at ?? 0;
  const end = steps.at(-1)?.at ?? 0;
  const whole = Math.max(1, end - from);
  const byTeam = Map.groupBy(steps, ({ team }) => team);
  const teams = [...byTeam].map(([team, own]): TeamUse => {
    const peak = Math.max(0, ...own.map(({ gpus }) => gpus));
    const cards = dedicated.get(team) ?? peak;
    let used = 0;
    for (const [index, { at, gpus }] of own.entries()) used += gpus * ((own[index + 1]?.at ?? end) - at);
    const mean = used / whole;
    return { team, dedicated: cards, peak, mean, utilisation: cards === 0 ? 0 : mean / cards };
  });
  const course = sumOf(steps);
  const mean = teams.reduce((sum, team) => sum + team.mean, 0);
  const own = teams.reduce((sum, team) => sum + team.dedicated, 0);
  const pooled = Math.max(0, ...course.map(({ gpus }) => gpus));
  return {
    teams: teams.toSorted((a, b) => b.dedicated - a.dedicated || a.team.localeCompare(b.team)),
    dedicated: own,
    dedicatedUtilisation: own === 0 ? 0 : mean / own,
    pooled,
    pooledUtilisation: pooled === 0 ? 0 : mean / pooled,
    shortfalls: shortfallsOf(course, { pooled, end, whole }),
    course,
  };
}

function sumOf(steps: readonly Usage[]): { at: number; gpus: number }[] {
  const now = new Map<string, number>();
  const course: { at: number; gpus: number }[] = [];
  let sum = 0;
  for (const { team, at, gpus } of steps) {
    sum += gpus - (now.get(team) ?? 0);
    now.set(team, gpus);
    const last = course.at(-1);
    if (last?.at === at) last.gpus = sum;
    else course.push({ at, gpus: sum });
  }
  return course;
}

/** Smaller pools that are short for a while: at most ten sizes, down to where a twentieth of the time is short. */
function shortfallsOf(
  course: Pooling["course"],
  { pooled, end, whole }: { readonly pooled: number; readonly end: number; readonly whole: number },
): Pooling["shortfalls"] {
  const shortfalls: { gpus: number; shortOfTime: number }[] = [];
  for (let gpus = pooled - 1; gpus > 0 && shortfalls.length < 10; gpus--) {
    let short = 0;
    for (const [index, step] of course.entries())
      if (step.gpus > gpus) short += (course[index + 1]?.at ?? end) - step.at;
    shortfalls.push({ gpus, shortOfTime: short / whole });
    if (short / whole > 0.05) break;
  }
  return shortfalls;
}
