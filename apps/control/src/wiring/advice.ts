import type { AdviceDeps, AdviceSources } from "@portolan/advice";
import type { AdviceFacts, AdvicePrices, EndpointFacts } from "@portolan/advice/policy";
import { findInForce, termsOf } from "@portolan/charter";
import { regulationRules } from "@portolan/charter/policy";
import { keptForGood, sameSources } from "@portolan/data";
import {
  asEpochMicros,
  type CallContext,
  type ObjectStore,
  parseDigest,
  parseDurationMs,
  type Sql,
} from "@portolan/kernel";
import { readCardUse } from "@portolan/metering";
import { endpointLoad, requestsByHour } from "@portolan/monitoring";
import { readOnnxModel } from "@portolan/onnx-format";
import { unitPrices } from "@portolan/planner";
import { archivedBytes } from "@portolan/predictions";
import { findComputeProfile, findVersion, listVersions } from "@portolan/registry";
import type { ComputeProfile } from "@portolan/registry/contract";
import { batchUse } from "@portolan/scoring";
import { type Deployed, listDeployed, listGateways } from "@portolan/serving";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

const dayMicros = 86_400_000_000;
const observedMicros = 30 * dayMicros;
/** The busiest third of the day. */
const peakHourCount = 8;
/** A larger file is not read for its operators: nobody quantises it in passing. */
const mostNetworkBytes = 512 * 2 ** 20;
const computing = new Set(["MatMul", "Gemm", "Conv", "LSTM", "GRU", "Attention"]);
const quantised = new Set(["MatMulInteger", "QLinearMatMul", "QLinearConv", "ConvInteger", "QGemm"]);

/** What is recorded of endpoints, batches, data and logs, for advice on what could cost less. */
export function wireAdvice(
  { work, clock, objects, prices: book }: Foundation,
  { authorizer }: IdentityWiring,
): AdviceDeps {
  const networks = networkReader(objects);
  const sources: AdviceSources = {
    facts: (call) => work.read(call, (sql) => readFacts(sql, call, { now: clock.now(), networks })),
    prices: (at): AdvicePrices => {
      const of = { currency: book.records[0]?.currency ?? "USD", now: asEpochMicros(at) };
      // A card that is given back is one that somebody else need not rent.
      const { gpuHour } = unitPrices(book, { placement: "cloud", ...of });
      return { ...unitPrices(book, { placement: "local", ...of }), ...(gpuHour ? { gpuHour } : {}) };
    },
  };
  return { work, clock, authorizer, sources };
}

interface Reading {
  readonly now: number;
  readonly networks: NetworkReader;
}

async function readFacts(sql: Sql, call: CallContext, reading: Reading): Promise<AdviceFacts> {
  const { organisationId } = call.actor;
  const { now } = reading;
  const from = now - observedMicros;
  const gateways = Math.max(1, (await listGateways(sql, organisationId)).length);
  const endpoints: EndpointFacts[] = [];
  const deployed = await listDeployed(sql, organisationId);
  for (const one of deployed.filter((each) => standsBy(each, now)))
    endpoints.push(await endpointFacts(sql, organisationId, one, { ...reading, gateways }));
  const peakHours = busiestHours(await requestsByHour(sql, { organisationId, from, to: now }));
  const batches = (await batchUse(sql, { organisationId, from, to: now })).map(
    ({ cpuMicrosByHour, ...batch }) => ({
      ...batch,
      cpuMicros: cpuMicrosByHour.reduce((total, micros) => total + micros, 0),
      cpuMicrosInPeak: peakHours.reduce((total, hour) => total + (cpuMicrosByHour[hour] ?? 0), 0),
      peakHours,
    }),
  );
  const unbounded = (await keptForGood(sql, organisationId)).map(({ firstAt, lastAt, ...data }) => ({
    ...data,
    days: daysBetween(firstAt, lastAt),
  }));
  return {
    now,
    endpoints,
    batches,
    duplicates: await sameSources(sql, organisationId),
    unbounded,
    logs: await logFacts(sql, organisationId),
    cards: await cardFacts(sql, organisationId, { start: from, end: now }),
  };
}

/** Whether gateways hold it: what has ended, or is halted, costs nothing. */
function standsBy({ halt, sunset }: Deployed, now: number): boolean {
  return halt === null && (sunset === null || sunset.ends_at > now);
}

async function endpointFacts(
  sql: Sql,
  organisationId: string,
  deployed: Deployed,
  { now, networks, gateways }: Reading & { readonly gateways: number },
): Promise<EndpointFacts> {
  const { name, environment, useCaseId, request, deployedAt } = deployed;
  // What an earlier version was asked says nothing of this one's workers.
  const from = Math.max(deployedAt, now - observedMicros);
  const of = { organisationId, environment, endpoint: name, to: now };
  const load = await endpointLoad(sql, { ...of, from });
  const monthAgo = now - observedMicros;
  const month = from === monthAgo ? load : await endpointLoad(sql, { ...of, from: monthAgo });
  const version = await findVersion(sql, organisationId, request.model, request.version);
  const profile = version && (await findComputeProfile(sql, version.id))?.profile;
  const charter = await findInForce(sql, { useCaseId });
  const terms = charter && termsOf(charter.charter);
  const gpu = gpuInFront(deployed);
  const kind = version && (await networks.read(version.artifact, version.sizeBytes));
  const smaller =
    kind === "float32"
      ? (await listVersions(sql, organisationId, request.model)).find(
          ({ lineage }) => lineage.base === version?.artifact,
        )
      : undefined;
  return {
    name,
    environment,
    useCaseId,
    useCase: charter?.useCase ?? useCaseId,
    model: request.model,
    version: request.version,
    deployedAt,
    workers: { least: request.scaling?.minimum ?? 1, most: request.scaling?.maximum ?? 1 },
    gateways,
    load: {
      days: Math.floor((now - from) / dayMicros),
      requests: load.requests,
      busiestWorkers: load.busiestMinuteMicros / 60_000_000,
    },
    monthlyRequests: month.requests,
    ...(profile ? { measured: measuredBy(profile) } : {}),
    ...(terms ? { terms: { latencyMsP99: terms.latencyMsP99, availability: terms.availability } } : {}),
    ...(gpu ? { gpu } : {}),
    ...(kind
      ? {
          network: {
            isQuantised: kind === "quantised",
            ...(smaller ? { smallerVersion: smaller.version } : {}),
          },
        }
      : {}),
    isEnding: deployed.sunset !== null,
  };
}

function measuredBy({ single, memory }: ComputeProfile): NonNullable<EndpointFacts["measured"]> {
  const { cpuMicros, p95Micros } = single;
  return { cpuMicros, p95Micros, fileBytes: memory.modelBytes, loadedBytes: memory.loadedBytes };
}

/** The graphics processor that is asked first, as it was stated with the deployment. */
function gpuInFront({ route, request }: Deployed): EndpointFacts["gpu"] | undefined {
  const [first] = route.backends?.order ?? [];
  if (first?.hardware !== "gpu") return undefined;
  const { name: model, version } = first.model;
  const stated = request.backends?.find((one) => one.model === model && one.version === version);
  return { model, version, ...(stated ? { costPerThousand: stated.costPerThousand } : {}) };
}

async function cardFacts(
  sql: Sql,
  organisationId: string,
  bounds: { readonly start: number; readonly end: number },
): Promise<AdviceFacts["cards"]> {
  const days = observedMicros / dayMicros;
  return (await readCardUse(sql, organisationId, bounds)).map(({ useCaseId, ...use }) => ({
    ...use,
    days,
    ...(useCaseId === "" ? {} : { useCaseId }),
  }));
}

async function logFacts(sql: Sql, organisationId: string): Promise<AdviceFacts["logs"]> {
  const logs: AdviceFacts["logs"][number][] = [];
  for (const { firstAt, lastAt, ...archived } of await archivedBytes(sql, organisationId)) {
    const found = await findInForce(sql, { useCaseId: archived.useCaseId });
    if (!found) continue;
    const asked = found.charter.nonNegotiables.regulations.flatMap(
      (regulation) => regulationRules[regulation].keepAtLeast ?? [],
    );
    logs.push({
      ...archived,
      useCase: found.useCase,
      days: daysBetween(firstAt, lastAt),
      retentionDays: Math.round(termsOf(found.charter).retentionMs / 86_400_000),
      ...(asked.length > 0
        ? { requiredDays: Math.ceil(Math.max(...asked.map(parseDurationMs)) / 86_400_000) }
        : {}),
    });
  }
  return logs;
}

type NetworkKind = "float32" | "quantised";

interface NetworkReader {
  /** `undefined`: no network, or not an ONNX file that can be read. */
  read(artifact: string, sizeBytes: number): Promise<NetworkKind | undefined>;
}

/** Says of a file how it computes; bytes of one digest are read once. */
function networkReader(objects: ObjectStore): NetworkReader {
  const known = new Map<string, NetworkKind | undefined>();
  return {
    read: async (artifact, sizeBytes) => {
      if (known.has(artifact)) return known.get(artifact);
      const kind = sizeBytes > mostNetworkBytes ? undefined : await kindOf(objects, artifact);
      known.set(artifact, kind);
      return kind;
    },
  };
}

async function kindOf(objects: ObjectStore, artifact: string): Promise<NetworkKind | undefined> {
  const digest = parseDigest(artifact);
  if (!digest) return undefined;
  try {
    const operators = readOnnxModel(await objects.get(digest)).operators.map(({ name }) => name);
    if (operators.some((name) => quantised.has(name))) return "quantised";
    return operators.some((name) => computing.has(name)) ? "float32" : undefined;
  } catch {
    // A description of another server, or bytes that have gone: advice on them is none.
    return undefined;
  }
}

/** Hours of the day (UTC) with most requests, ascending; none where nobody asked. */
function busiestHours(requests: readonly number[]): readonly number[] {
  return requests
    .map((count, hour) => ({ count, hour }))
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => b.count - a.count || a.hour - b.hour)
    .slice(0, peakHourCount)
    .map(({ hour }) => hour)
    .toSorted((a, b) => a - b);
}

function daysBetween(firstAt: number, lastAt: number): number {
  return Math.floor((lastAt - firstAt) / dayMicros);
}
