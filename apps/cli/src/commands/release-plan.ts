import { PortolanError } from "@portolan/kernel";
import type { ReleasePlan, ReleaseRequest, ReleaseStep } from "@portolan/rollout/contract";
import type { Command } from "commander";
import type { CliErrorCode } from "../errors.ts";

/** What to do about a file that is no plan. */
export const planMend = "Write the plan as docs/releases.md shows it.";

type AskedPlan = NonNullable<ReleaseRequest["plan"]>;

/** A plan as it is written on the command line. */
export interface PlanOptions {
  readonly plan?: string;
  readonly shadow?: string;
  readonly internal?: readonly string[];
  readonly canary?: string;
  readonly leastRequests: string;
  readonly leastSeconds: string;
  readonly sticky?: string;
  readonly slow?: string;
  readonly deadline?: string;
  readonly event?: readonly string[];
  readonly decideAt?: string;
  readonly wrongBeyond?: string;
  readonly byClass?: boolean;
  readonly ndcgBelow?: string;
  readonly divergenceEdges?: string;
  readonly divergenceMost?: string;
}

export function addPlanOptions(command: Command): Command {
  return command
    .option("--plan <file>", "the whole plan, YAML or JSON (docs/releases.md); instead of the options below")
    .option("--shadow <percent>", "copies of so many requests first; 0: no shadow")
    .option("--internal <kind=id...>", "then these callers alone: tenant=bu_… or principal=usr_…")
    .option("--canary <percents>", "then growing shares of the requests, e.g. 5,25,50")
    .option("--least-requests <count>", "requests of the candidate in each of those steps", "500")
    .option("--least-seconds <count>", "shortest time of each of those steps", "60")
    .option("--sticky <by>", "request, principal, tenant, or a header's name: who keeps meeting one version")
    .option("--slow <ms>", "answers later than this are slow (default: the charter's p95)")
    .option("--event <name...>", "harmful events that will be posted, e.g. support-tickets")
    .option("--decide-at <score>", "judge outcomes: from this score on the answer is yes, e.g. 0.5")
    .option("--wrong-beyond <amount>", "judge outcomes: farther than this from what happened is wrong")
    .option("--by-class", "judge outcomes of several classes: the highest score is what was said")
    .option("--ndcg-below <value>", "judge outcomes of rankings: a list below it was ranked wrong, e.g. 0.5")
    .option(
      "--divergence-edges <values>",
      "compare what both versions answer: cut into parts at these, e.g. 0.5",
    )
    .option("--divergence-most <share>", "so much more or fewer answers of a part are allowed, e.g. 0.25")
    .option("--deadline <seconds>", "undecided after this long, the champion stays");
}

/**
 * @param readFile reads the document of `--plan`
 * @returns undefined where nothing is said: the server's plan is taken
 * @throws PortolanError `cli.bad_usage`, `cli.bad_file`
 */
export async function parsePlan(
  options: PlanOptions,
  readFile: (path: string) => Promise<unknown>,
): Promise<AskedPlan | undefined> {
  if (options.plan !== undefined) {
    const plan = await readFile(options.plan);
    if (isPlan(plan)) return plan;
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: "the plan has no members",
      mend: planMend,
    });
  }
  const { shadow, internal = [], canary, sticky, slow, deadline, event } = options;
  const least = {
    leastRequests: numberOf(options.leastRequests, "--least-requests"),
    leastSeconds: numberOf(options.leastSeconds, "--least-seconds"),
  };
  const hasSteps = canary !== undefined || shadow !== undefined || internal.length > 0;
  const steps: ReleasePlan["steps"] = [];
  const sample = shadow === undefined ? 1 : numberOf(shadow, "--shadow") / 100;
  if (sample > 0) steps.push({ kind: "shadow", sample, ...least });
  for (const text of internal) steps.push({ ...parseInternal(text), ...least });
  for (const text of (canary ?? "5,25,50").split(","))
    steps.push({ kind: "canary", percent: numberOf(text, "--canary"), ...least });
  const plan: AskedPlan = {
    ...(hasSteps ? { steps } : {}),
    ...(sticky === undefined ? {} : { sticky: parseSticky(sticky) }),
    ...(slow === undefined ? {} : { slowMs: numberOf(slow, "--slow") }),
    ...(event === undefined ? {} : { events: [...event] }),
    ...wrongRule(options),
    ...divergenceRule(options),
    ...(deadline === undefined ? {} : { deadlineSeconds: numberOf(deadline, "--deadline") }),
  };
  return Object.keys(plan).length === 0 ? undefined : plan;
}

function wrongRule(options: PlanOptions): Pick<AskedPlan, "wrong"> {
  const { decideAt, wrongBeyond, byClass, ndcgBelow } = options;
  if ([decideAt, wrongBeyond, byClass, ndcgBelow].filter((one) => one !== undefined).length > 1)
    throw badUsage(
      "more than one of --decide-at, --wrong-beyond, --by-class and --ndcg-below",
      "--decide-at 0.5, --wrong-beyond 10, --by-class, or --ndcg-below 0.5",
    );
  if (ndcgBelow !== undefined) return { wrong: { ndcgBelow: numberOf(ndcgBelow, "--ndcg-below") } };
  if (byClass) return { wrong: { classes: [] } };
  if (decideAt !== undefined) return { wrong: { decideAt: numberOf(decideAt, "--decide-at") } };
  if (wrongBeyond !== undefined) return { wrong: { beyond: numberOf(wrongBeyond, "--wrong-beyond") } };
  return {};
}

function divergenceRule({ divergenceEdges, divergenceMost }: PlanOptions): Pick<AskedPlan, "divergence"> {
  if (divergenceEdges === undefined && divergenceMost === undefined) return {};
  if (divergenceEdges === undefined || divergenceMost === undefined)
    throw badUsage(
      "--divergence-edges without --divergence-most, or the reverse",
      "--divergence-edges 0.5 --divergence-most 0.25",
    );
  const edges = divergenceEdges.split(",").map((edge) => numberOf(edge, "--divergence-edges"));
  return { divergence: { edges, atMost: numberOf(divergenceMost, "--divergence-most") } };
}

/** The server says what of it does not fit. */
function isPlan(plan: unknown): plan is AskedPlan {
  return typeof plan === "object" && plan !== null && !Array.isArray(plan);
}

function parseInternal(
  text: string,
): Pick<Extract<ReleaseStep, { kind: "internal" }>, "kind" | "by" | "values"> {
  const [, by, value = ""] = /^(tenant|principal)=(\S{1,200})$/.exec(text) ?? [];
  if (by !== "tenant" && by !== "principal") throw badUsage(`--internal "${text}"`, "--internal tenant=bu_…");
  return { kind: "internal", by, values: [value] };
}

function parseSticky(text: string): ReleasePlan["sticky"] {
  if (text === "request" || text === "principal" || text === "tenant") return text;
  return { header: text.toLowerCase() };
}

function numberOf(text: string, option: string): number {
  if (!/^\d{1,9}(\.\d{1,6})?$/.test(text)) throw badUsage(`${option} "${text}"`, `${option} 5`);
  return Number(text);
}

function badUsage(what: string, example: string): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `${what} is not understood`,
    mend: `Write it like: ${example}`,
  });
}
