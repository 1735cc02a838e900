import { isPortolanError } from "@portolan/kernel";
import type { ApiClient } from "../client/api-client.ts";
import { type DerivedValues, judgeServed, type Mismatch } from "./judge-served.ts";
import { type LoggedPrediction, type ServedValues, type ServingPlan, servedValues } from "./served-values.ts";

export interface ParityOrder {
  readonly endpoint: string;
  /** Whose predictions and values; absent: all that the caller may read, and each view's own use case. */
  readonly useCaseId?: string;
  /** What values are read for; the policies on data must allow them. */
  readonly purpose?: string;
  /** Which records: as the search understands them. */
  readonly query: Readonly<Record<string, string>>;
  /** At most this many predictions are looked at. */
  readonly limit: number;
  /** Mismatches that are kept of each feature. */
  readonly examples: number;
}

export interface FeatureParity {
  /** `view@version.feature`. */
  readonly feature: string;
  readonly compared: number;
  readonly mismatches: number;
  readonly examples: readonly Mismatch[];
}

export interface ParityReport {
  /** All that were looked at, those that were passed over included. */
  readonly records: number;
  /** Predictions whose values were compared. */
  readonly predictions: number;
  readonly compared: number;
  readonly mismatches: number;
  readonly features: readonly FeatureParity[];
  /** Predictions passed over, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
}

/** As many as control derives at once. */
const rowsPerReplay = 1000;

/** Derives the served feature values of recorded predictions again, offline, and compares them bit for bit. */
export async function checkParity(
  api: ApiClient,
  order: ParityOrder,
  onProgress: (done: number, of: number) => void,
): Promise<ParityReport> {
  const plans = await plansOf(api, order);
  const skipped: Record<string, number> = {};
  const served: ServedValues[] = [];
  let records = 0;
  let predictions = 0;
  for await (const record of recordsOf(api, order)) {
    records += 1;
    const found = servedValues(record, plans.get(planKey(record)));
    if (typeof found === "string") skipped[found] = (skipped[found] ?? 0) + 1;
    else {
      predictions += 1;
      served.push(...found);
    }
  }
  const tally = new Map<string, { compared: number; mismatches: number; examples: Mismatch[] }>();
  let done = 0;
  for (const ofView of Map.groupBy(served, ({ environment, view }) => `${environment} ${view}`).values())
    for (let from = 0; from < ofView.length; from += rowsPerReplay) {
      const rows = ofView.slice(from, from + rowsPerReplay);
      const answers = await replay(api, order, rows);
      for (const [index, one] of rows.entries()) {
        const found = answers[index] ?? { derived: [] };
        const unknown = compare(one, found, order.examples, tally);
        if (unknown === 0 || !found.undecided) continue;
        const reason = undecidedReasons[found.undecided];
        skipped[reason] = (skipped[reason] ?? 0) + unknown;
      }
      done += rows.length;
      onProgress(done, served.length);
    }
  const features = [...tally].map(([feature, of]) => ({ feature, ...of }));
  const sum = (of: "compared" | "mismatches") => features.reduce((total, one) => total + one[of], 0);
  return {
    records,
    predictions,
    compared: sum("compared"),
    mismatches: sum("mismatches"),
    features,
    skipped,
  };
}

/** Values that differ, where they may have been served of events that came before their batch and cannot be gone through. */
const undecidedReasons = {
  forgotten: "values of long ago: which events counted before their batch is not known any more",
  source_gone:
    "values that may be of events before their batch, whose source was erased or is past its retention",
  too_many_events: "values that may be of more events before their batch than are gone through",
} as const;

interface Answers {
  readonly derived: readonly DerivedValues[];
  /** Why what it may have been served of cannot be derived again; absent where it can. */
  readonly undecided?: keyof typeof undecidedReasons;
}

/** Resolves to how many values could not be compared. */
function compare(
  served: ServedValues,
  { derived, undecided }: Answers,
  examples: number,
  tally: Map<string, { compared: number; mismatches: number; examples: Mismatch[] }>,
): number {
  let unknown = 0;
  for (const feature of served.features) {
    const name = `${served.view}.${feature.name}`;
    const of = tally.get(name) ?? { compared: 0, mismatches: 0, examples: [] };
    tally.set(name, of);
    const mismatch = judgeServed(served, feature, derived);
    if (mismatch && undecided) {
      unknown += 1;
      continue;
    }
    of.compared += 1;
    if (!mismatch) continue;
    of.mismatches += 1;
    if (of.examples.length < examples) of.examples.push(mismatch);
  }
  return unknown;
}

/** Answers to rows of one view in one environment; what is too much for one request is asked in halves. */
async function replay(
  api: ApiClient,
  order: ParityOrder,
  rows: readonly ServedValues[],
): Promise<readonly Answers[]> {
  try {
    return await replayOnce(api, order, rows);
  } catch (error) {
    if (rows.length < 2 || !isPortolanError(error) || error.code !== "features.replay_too_large") throw error;
    const half = Math.ceil(rows.length / 2);
    const first = await replay(api, order, rows.slice(0, half));
    return [...first, ...(await replay(api, order, rows.slice(half)))];
  }
}

async function replayOnce(
  api: ApiClient,
  { useCaseId, purpose }: ParityOrder,
  rows: readonly ServedValues[],
): Promise<readonly Answers[]> {
  const { view = "", environment } = rows[0] ?? {};
  const [name = "", version = ""] = view.split("@");
  const answer = await api.json<{
    rows: readonly (readonly DerivedValues[])[];
    undecidedReasons?: readonly { readonly row: number; readonly reason: keyof typeof undecidedReasons }[];
  }>({
    path: `/v1/feature-views/${encodeURIComponent(name)}/replays`,
    body: {
      environment,
      version: Number(version),
      ...(useCaseId === undefined ? {} : { useCaseId }),
      ...(purpose === undefined ? {} : { purpose }),
      rows: rows.map(({ key, at, servedAt, request }) => ({
        key,
        at,
        servedAt,
        ...(request ? { request } : {}),
      })),
    },
    timeoutMs: 120_000,
  });
  const reasons = new Map(answer.undecidedReasons?.map(({ row, reason }) => [row, reason]));
  return answer.rows.map((derived, index) => {
    const undecided = reasons.get(index);
    return { derived, ...(undecided ? { undecided } : {}) };
  });
}

interface Deployed {
  readonly model: { readonly digest: string };
  readonly features: ServingPlan | null;
}

/** The plans of the versions that the endpoint has now, by environment and the model's digest. */
async function plansOf(api: ApiClient, { endpoint }: ParityOrder): Promise<Map<string, ServingPlan>> {
  const { endpoints } = await api.json<{
    endpoints: readonly {
      readonly name: string;
      readonly environment: string;
      readonly route: Deployed & { readonly variants: readonly Deployed[] };
    }[];
  }>({ path: "/v1/endpoints" });
  const plans = new Map<string, ServingPlan>();
  for (const { name, environment, route } of endpoints)
    for (const { model, features } of name === endpoint ? [route, ...route.variants] : [])
      if (features) plans.set(`${environment} ${model.digest}`, features);
  return plans;
}

function planKey({ header: { context } }: LoggedPrediction): string {
  return `${context.environment} ${context.model?.digest ?? ""}`;
}

async function* recordsOf(api: ApiClient, order: ParityOrder): AsyncGenerator<LoggedPrediction> {
  let left = order.limit;
  let cursor: string | undefined;
  do {
    const query = new URLSearchParams({ ...order.query, endpoint: order.endpoint, limit: "100" });
    if (order.useCaseId !== undefined) query.set("useCaseId", order.useCaseId);
    if (cursor !== undefined) query.set("cursor", cursor);
    const page = await api.json<{ predictions: readonly LoggedPrediction[]; next?: string }>({
      path: `/v1/predictions?${query.toString()}`,
    });
    yield* page.predictions.slice(0, left);
    left -= page.predictions.length;
    cursor = page.next;
  } while (cursor !== undefined && left > 0);
}
