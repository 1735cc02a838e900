import { setImmediate as otherWork } from "node:timers/promises";
import {
  type Authorizer,
  type CallContext,
  type Clock,
  environments,
  environmentsAllowing,
  type ObjectStore,
  PortolanError,
  type Sql,
  Turns,
  type UnitOfWork,
} from "@portolan/kernel";
import type { MonitoringErrorCode } from "../errors.ts";
import type { PerformanceEstimate } from "../estimate/estimate-schema.ts";
import { estimateWindows, findScores } from "../estimate/read-estimates.ts";
import { classCase, happenedBy, saidBy } from "./case-values.ts";
import { judgeConcept } from "./concept-drift.ts";
import { listReferences, type SeriesReference } from "./concept-store.ts";
import { findInputPlace, type InputPlace } from "./input-place.ts";
import { judgeSegments, judgeWindows, type LabelledCase, windowStart } from "./judge-performance.ts";
import { performancePolicy } from "./performance-policy.ts";
import type { PerformanceBound, PerformanceReport, PerformanceSeries } from "./performance-schema.ts";
import {
  countLabels,
  type LabelFilter,
  type LabelledPlace,
  listAnswered,
  listLabelledPlaces,
  listLabels,
  type MostLabels,
  type PerformanceKey,
  type StoredHour,
  type StoredLabel,
} from "./performance-store.ts";
import { rankingCase } from "./ranking-case.ts";
import { segmentsOf } from "./segments.ts";

/** What the charter in force bounds in production; undefined without one. Implemented over `charter`. */
export interface PerformanceBounds {
  find(sql: Sql, useCaseId: string): Promise<PerformanceBound | undefined>;
}

/** Values that predictions had in a column. Implemented by `predictions`. */
export interface ColumnReader {
  /**
   * Of the caller's organisation; what has no value is absent.
   * @param place where requests have it that have no tensor of that name
   */
  read(
    call: CallContext,
    predictionIds: readonly string[],
    column: string,
    place?: InputPlace,
  ): Promise<Map<string, string | number | boolean>>;
}

export interface PerformanceDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  /** Has reference profiles. */
  readonly objects: ObjectStore;
  readonly bounds: PerformanceBounds;
  readonly columns: ColumnReader;
}

export interface PerformanceQuery {
  readonly endpoint: string;
  /** Arrival of predictions, epoch microseconds; the start is rounded down to a window. */
  readonly from?: number;
  /** Exclusive; rounded up to a window. */
  readonly to?: number;
  readonly windowHours?: number;
  /** Labels that were reported until then, epoch microseconds. */
  readonly asOf?: number;
  /** A feature or input to tell segments apart by; its values are shown to who may read predictions too. */
  readonly by?: string;
}

/** Answers that a process reads at a time: each holds up to fifty thousand labels, and all share one thread. */
const reportTurns = new Turns(2);

/**
 * What labels say of an endpoint's versions, in windows of arrival, as far as the caller may read outcomes.
 *
 * @param most labels that are read
 * @throws PortolanError `monitoring.nothing_answered` where the caller sees no answered prediction of the endpoint within the stretch
 */
export async function readPerformance(
  deps: PerformanceDeps,
  call: CallContext,
  query: PerformanceQuery,
  most: MostLabels = performancePolicy.most,
): Promise<PerformanceReport> {
  const { filter, windowMicros } = stretchOf(deps.clock.now(), call, query);
  const places = await readablePlaces(deps, call, filter, query.by !== undefined);
  if (places.length === 0) throw nothingAnswered(query);
  return reportTurns.take(async () => {
    const evidence = await gather(deps, call, filter, places, { most, windowMicros });
    const series: PerformanceSeries[] = [];
    for (const one of evidence.series) {
      series.push(
        await judgeSeries(deps, call, one, {
          endpoint: query.endpoint,
          windowMicros,
          by: query.by,
          now: deps.clock.now(),
        }),
      );
      await otherWork();
    }
    const { endpoint, asOf, to } = filter;
    const { from, truncated } = evidence;
    return { endpoint, asOf, from, to, truncated, by: query.by ?? null, series };
  });
}

/**
 * The series of an endpoint over the usual stretch, over all its places: for control's own rounds, which ask no authorizer.
 *
 * @param call of the process itself, for one organisation
 */
export async function reportOfOrganisation(
  deps: Omit<PerformanceDeps, "authorizer">,
  call: CallContext,
  endpoint: string,
): Promise<PerformanceSeries[]> {
  const { filter, windowMicros } = stretchOf(deps.clock.now(), call, { endpoint });
  return reportTurns.take(async () => {
    const places = await deps.work.read(call, (sql) => listLabelledPlaces(sql, filter, environments));
    const { most } = performancePolicy;
    const { series } = await gather(deps, call, filter, places, { most, windowMicros });
    const judged: PerformanceSeries[] = [];
    const now = deps.clock.now();
    for (const one of series)
      judged.push(await judgeSeries(deps, call, one, { endpoint, windowMicros, by: undefined, now }));
    return judged;
  });
}

function stretchOf(now: number, call: CallContext, query: PerformanceQuery) {
  const { hourMicros, windowHours, days } = performancePolicy;
  const windowMicros = (query.windowHours ?? windowHours) * hourMicros;
  const to = query.to ?? now + 1;
  const from = query.from ?? to - days * 24 * hourMicros;
  const filter: LabelFilter = {
    organisationId: call.actor.organisationId,
    endpoint: query.endpoint,
    from: windowStart(from, windowMicros),
    to: windowStart(to - 1, windowMicros) + windowMicros,
    asOf: query.asOf ?? now,
  };
  return { filter, windowMicros };
}

async function readablePlaces(
  { work, authorizer }: PerformanceDeps,
  call: CallContext,
  filter: LabelFilter,
  showsValues: boolean,
): Promise<LabelledPlace[]> {
  const { organisationId } = call.actor;
  const type = "Outcome";
  // Segments are named by values of inputs: whoever may not read predictions must not read those.
  const further = showsValues ? [["predictions:read", "Prediction"] as const] : [];
  for (const [action, record] of further)
    await environmentsAllowing(authorizer, call, action, { type: record, organisationId });
  const allowing = await environmentsAllowing(authorizer, call, "outcomes:read", { type, organisationId });
  const found = await work.read(call, (sql) => listLabelledPlaces(sql, filter, allowing));
  const places: LabelledPlace[] = [];
  for (const place of found) {
    const { environment, useCaseId } = place;
    const of = useCaseId === null ? {} : { useCaseId };
    const questions = [["outcomes:read", type] as const, ...further];
    const decisions = await Promise.all(
      questions.map(([action, record]) =>
        authorizer.decide(call, action, { type: record, organisationId, environment, ...of }),
      ),
    );
    if (decisions.every(({ allowed }) => allowed)) places.push(place);
  }
  return places;
}

interface GatheredSeries {
  readonly key: PerformanceKey;
  readonly labels: readonly StoredLabel[];
  readonly answered: readonly StoredHour[];
  readonly bound: PerformanceBound | undefined;
  /** Of its only window, where only the newest of them were read. */
  readonly labelCount?: number;
  readonly references: readonly SeriesReference[];
}

/** Of more labels than one answer reads the newest whole windows. */
async function gather(
  { work, bounds }: Pick<PerformanceDeps, "work" | "bounds">,
  call: CallContext,
  filter: LabelFilter,
  places: readonly LabelledPlace[],
  { most, windowMicros }: { readonly most: MostLabels; readonly windowMicros: number },
): Promise<{ readonly series: GatheredSeries[]; readonly from: number; readonly truncated: boolean }> {
  return work.read(call, async (sql) => {
    const { labels: found, isCut: truncated } = await listLabels(sql, filter, places, most);
    const from = truncated ? wholeWindowsFrom(found, windowMicros) : filter.from;
    const labels = (truncated ? found.slice(0, -1) : found)
      .filter(({ receivedAt }) => receivedAt >= from)
      .reverse();
    const answered = await listAnswered(sql, { ...filter, from }, places);
    // Of a window that is cut the number of labels is counted apart: it would never be mature.
    const isCut = truncated && from <= windowStart(found.at(-1)?.receivedAt ?? 0, windowMicros);
    const counts = isCut ? await countLabels(sql, { ...filter, from }, places) : [];
    const references = await listReferences(sql, filter.organisationId, filter.endpoint);
    const byKey = Map.groupBy([...answered, ...labels], keyOf);
    const series: GatheredSeries[] = [];
    for (const [name, [key]] of [...byKey].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (!key) continue;
      const isOwn = (one: PerformanceKey): boolean => keyOf(one) === name;
      const bound = key.useCaseId === null ? undefined : await bounds.find(sql, key.useCaseId);
      const count = counts.find(isOwn);
      series.push({
        key,
        labels: labels.filter(isOwn),
        answered: answered.filter(isOwn),
        bound,
        references: references.filter((one) => isOwn(one.key)),
        ...(count ? { labelCount: count.labels } : {}),
      });
    }
    return { series, from, truncated };
  });
}

/** Without the window that the last label was cut out of, unless it is the only one: then its newest labels are all that is read of it. */
function wholeWindowsFrom(newestFirst: readonly StoredLabel[], windowMicros: number): number {
  const [newest = 0, oldest = 0] = [newestFirst[0], newestFirst.at(-1)].map((label) =>
    windowStart(label?.receivedAt ?? 0, windowMicros),
  );
  return Math.min(newest, oldest + windowMicros);
}

function keyOf({ environment, useCaseId, variant, model, version }: PerformanceKey): string {
  return JSON.stringify([environment, useCaseId, variant, model, version]);
}

const noEstimates: ReadonlyMap<number, PerformanceEstimate> = new Map();

async function judgeSeries(
  deps: Pick<PerformanceDeps, "columns" | "work" | "objects">,
  call: CallContext,
  { key, labels, answered, bound, labelCount, references }: GatheredSeries,
  of: {
    readonly endpoint: string;
    readonly windowMicros: number;
    readonly by: string | undefined;
    readonly now: number;
  },
): Promise<PerformanceSeries> {
  const cases = await casesOf(labels, bound);
  const evidence = { cases, answered, bound, ...(labelCount === undefined ? {} : { labels: labelCount }) };
  const ids = cases.map(({ predictionId }) => predictionId);
  const { endpoint, windowMicros, by, now } = of;
  const kept = references.map(({ reference }) => reference);
  const scores = await findScores(deps, call, { endpoint, key, kept });
  const concept = judgeConcept({ ...evidence, kept, score: scores?.score }, now);
  await otherWork();
  const windows = judgeWindows(evidence, windowMicros);
  await otherWork();
  const estimates =
    concept && scores ? await estimateWindows(deps, call, scores, concept, windows) : noEstimates;
  const segments = by === undefined ? [] : segmentsOf(cases, await valuesOf(deps, call, key, ids, by));
  const { environment, useCaseId, variant, model, version } = key;
  return {
    environment,
    useCaseId,
    variant,
    model,
    version,
    bound: bound ?? null,
    concept: concept?.standing ?? null,
    windows: windows.map((window) => ({ ...window, estimate: estimates.get(window.start) ?? null })),
    segments: judgeSegments(evidence, segments),
  };
}

async function valuesOf(
  deps: Pick<PerformanceDeps, "columns" | "work" | "objects">,
  call: CallContext,
  key: PerformanceKey,
  ids: readonly string[],
  by: string,
) {
  return deps.columns.read(call, ids, by, await findInputPlace(deps, call, key, by));
}

/** Answers that are read at a turn of the event loop: some milliseconds. */
const answersPerTurn = 1000;

async function casesOf(
  labels: readonly StoredLabel[],
  bound: PerformanceBound | undefined,
): Promise<LabelledCase[]> {
  const cases: LabelledCase[] = [];
  for (const label of labels) {
    cases.push(caseOf(label, bound));
    if (cases.length % answersPerTurn === 0) await otherWork();
  }
  return cases;
}

function caseOf(
  { predictionId, receivedAt, outcome, outputs }: StoredLabel,
  bound: PerformanceBound | undefined,
): LabelledCase {
  if (bound?.several)
    return { predictionId, receivedAt, ...classCase(outputs, outcome, bound.several.names) };
  // Nothing but a ranking has a list for an outcome.
  if (Array.isArray(outcome)) return { predictionId, receivedAt, ...rankingCase(outputs, outcome) };
  const [said, happened] = [saidBy(outputs), happenedBy(outcome)];
  return {
    predictionId,
    receivedAt,
    ...(said === undefined ? {} : { said }),
    ...(happened === undefined ? {} : { happened }),
  };
}

function nothingAnswered({ endpoint, from, to }: PerformanceQuery): PortolanError<MonitoringErrorCode> {
  const { days } = performancePolicy;
  const isStretch = from !== undefined || to !== undefined;
  return new PortolanError("monitoring.nothing_answered", {
    detail: `no prediction of ${endpoint} was answered ${isStretch ? "in this stretch of time" : `in the last ${days} days`}`,
    mend: "Check the name (portolan endpoint list), or ask for another stretch with --from and --to.",
  });
}
