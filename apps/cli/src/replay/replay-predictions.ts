import { setTimeout as sleep } from "node:timers/promises";
import { isPortolanError } from "@portolan/kernel";
import type { PredictionHeader } from "@portolan/predictions/contract";
import type { ApiClient } from "../client/api-client.ts";
import { compareOutputs } from "./compare-outputs.ts";

export interface ReplayOrder {
  readonly endpoint: string;
  /** Version that is asked; absent: the one that the endpoint serves. */
  readonly version?: string;
  /** Which records: as the search understands them. */
  readonly query: Readonly<Record<string, string>>;
  /** At most this many records are asked again. */
  readonly limit: number;
  readonly tolerance: number;
  readonly perSecond: number;
  readonly isDryRun: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ReplayReport {
  /** Records that could be asked again, within the limit. */
  readonly replayable: number;
  /** Records passed over, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
  readonly same: number;
  readonly different: readonly { readonly id: string; readonly where: string }[];
  readonly failed: readonly { readonly id: string; readonly code: string }[];
  readonly largestDifference: number;
}

interface Recorded {
  readonly header: PredictionHeader;
  readonly withheld?: string;
  readonly subject?: string;
  readonly inputs?: { readonly mediaType: string; readonly text?: string };
  readonly outputs?: { readonly mediaType: string; readonly text?: string };
  readonly features?: readonly { readonly source: string }[];
}

/**
 * Asks a version again with recorded inputs and compares what it says with what was recorded. Each new prediction names the one that it
 * repeats, so that nobody takes it for a case of its own. A dry run asks nothing.
 */
export async function replayPredictions(
  control: ApiClient,
  gateway: ApiClient,
  order: ReplayOrder,
  onProgress: (done: number, of: number) => void,
): Promise<ReplayReport> {
  const { records, skipped } = await findRecords(control, order);
  const report = { same: 0, largestDifference: 0 };
  const different: { id: string; where: string }[] = [];
  const failed: { id: string; code: string }[] = [];
  for (const [i, record] of order.isDryRun ? [] : records.entries()) {
    const { id } = record.header;
    const nextAtMs = performance.now() + 1000 / order.perSecond;
    try {
      const answer = await ask(gateway, order, record);
      const seen = compareOutputs(parsed(record.outputs?.text), answer, order.tolerance);
      if (seen.kind === "incomparable") count(skipped, seen.why);
      else report.largestDifference = Math.max(report.largestDifference, seen.largestDifference);
      if (seen.kind === "same") report.same += 1;
      if (seen.kind === "differs") different.push({ id, where: seen.where });
    } catch (error) {
      if (!isPortolanError(error)) throw error;
      failed.push({ id, code: error.code });
    }
    onProgress(i + 1, records.length);
    await sleep(Math.max(0, nextAtMs - performance.now()));
  }
  return { replayable: records.length, skipped, different, failed, ...report };
}

async function findRecords(
  control: ApiClient,
  order: ReplayOrder,
): Promise<{ readonly records: readonly Recorded[]; readonly skipped: Record<string, number> }> {
  const records: Recorded[] = [];
  const skipped: Record<string, number> = {};
  let cursor: string | undefined;
  do {
    const query = new URLSearchParams({ ...order.query, endpoint: order.endpoint, limit: "100" });
    if (cursor !== undefined) query.set("cursor", cursor);
    const page = await control.json<{ predictions: readonly Recorded[]; next?: string }>({
      path: `/v1/predictions?${query.toString()}`,
    });
    for (const record of page.predictions) {
      const why = whyNot(record);
      if (records.length >= order.limit) break;
      if (why === undefined) records.push(record);
      else count(skipped, why);
    }
    cursor = page.next;
  } while (cursor !== undefined && records.length < order.limit);
  return { records, skipped };
}

/** Why a record cannot be asked again; `undefined` when it can. */
function whyNot({ header, withheld, inputs, features }: Recorded): string | undefined {
  if (header.status.kind !== "ok") return "was not answered";
  if (header.replayOf !== undefined) return "is a replay itself";
  if (header.text !== undefined) return "is text, which is said anew each time";
  if (withheld !== undefined || !inputs) return "payload is gone";
  if (inputs.text === undefined || !inputs.mediaType.startsWith("application/json"))
    return "inputs are not JSON";
  // Its features were looked up at its arrival; asked again, they would be those of today.
  const isLookedUp = features?.some(({ source }) => source !== "request") === true;
  return isLookedUp && header.eventTime === undefined ? "features were of its moment" : undefined;
}

async function ask(gateway: ApiClient, order: ReplayOrder, record: Recorded): Promise<unknown> {
  const version = order.version === undefined ? "" : `/versions/${encodeURIComponent(order.version)}`;
  return gateway.json<unknown>({
    path: `/v2/models/${encodeURIComponent(order.endpoint)}${version}/infer`,
    method: "POST",
    bytes: Buffer.from(record.inputs?.text ?? ""),
    headers: {
      ...order.headers,
      "content-type": "application/json",
      "x-portolan-replay-of": record.header.id,
      // The copy goes with what is erased of somebody, as its original does.
      ...(record.subject === undefined ? {} : { "x-portolan-subject": record.subject }),
    },
  });
}

function count(counts: Record<string, number>, reason: string): void {
  counts[reason] = (counts[reason] ?? 0) + 1;
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
