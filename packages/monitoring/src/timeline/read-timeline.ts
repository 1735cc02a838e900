import { setImmediate as otherWork } from "node:timers/promises";
import {
  type Authorizer,
  type CallContext,
  type Clock,
  type Environment,
  type ObjectStore,
  PortolanError,
  type Sql,
  type UnitOfWork,
} from "@portolan/kernel";
import { listAlerts } from "../alerts/alert-store.ts";
import { splitCounts } from "../drift-counter.ts";
import { machineSeries } from "../machine/machine-series.ts";
import { machinesWithin } from "../machine/machine-store.ts";
import { minuteMicros } from "../objectives/count-requests.ts";
import { countsByMinute } from "../objectives/counts-store.ts";
import { readProfile } from "../profile-object.ts";
import { visiblePlaces } from "../visible-places.ts";
import { windowMicros } from "../window.ts";
import { seriesKey } from "../window-series.ts";
import { listWindows, windowCounts } from "../window-store.ts";
import { judgeFreshness, type PublishedData } from "./freshness.ts";
import { rankMoves } from "./rank-moves.ts";
import { eventsWithin, gatewayStarts, stagesWithin, type TimelineFilter } from "./stage-store.ts";
import type { Timeline, TimelineEvent } from "./timeline-schema.ts";
import { type CountedOverTime, judgeSeriesOverTime, widened } from "./timeline-series.ts";

export interface TimelineDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  readonly authorizer: Authorizer;
  /** Has reference profiles. */
  readonly objects: ObjectStore;
  readonly endpoints: {
    /** @throws PortolanError 404 where the caller may not read such an endpoint */
    require(call: CallContext, environment: Environment, endpoint: string): Promise<void>;
  };
  readonly products: {
    /** What was published of the data products of the endpoint's use case, the oldest first; nothing where the caller may not read them. */
    published(call: CallContext, query: PublishedQuery): Promise<readonly PublishedData[]>;
  };
  readonly machines: {
    /** Whether what the machines of the installation were busy with is the caller's business: they are shared by all organisations. */
    maySee(call: CallContext): Promise<boolean>;
  };
}

export interface PublishedQuery {
  readonly environment: Environment;
  readonly endpoint: string;
  /** Epoch microseconds; the end is exclusive. */
  readonly from: number;
  readonly to: number;
}

export interface TimelineQuery {
  readonly environment: Environment;
  readonly endpoint: string;
  /** Epoch microseconds; the end is exclusive. */
  readonly from?: number;
  readonly to?: number;
}

const hourMicros = 60 * minuteMicros;
const usualMicros = 6 * hourMicros;
const longestMicros = 72 * hourMicros;
/** Points of a series of requests, about. */
const mostPoints = 360;
const mostWindows = 4000;
const mostAlerts = 200;

/**
 * What is recorded of an endpoint over a stretch of time, by layer, with what moved first. Inputs and predictions are those of the places whose predictions the caller may
 * read.
 *
 * @throws PortolanError `monitoring.nothing_counted` where nothing was counted of it; `kernel.bad_request` for a stretch that is none, or longer than three days
 */
export async function readTimeline(
  deps: TimelineDeps,
  call: CallContext,
  query: TimelineQuery,
): Promise<Timeline> {
  const { environment, endpoint } = query;
  await deps.endpoints.require(call, environment, endpoint);
  const filter = stretchOf(deps.clock.now(), call, query);
  const width = minuteMicros * Math.ceil((filter.to - filter.from) / minuteMicros / mostPoints);
  const requests = await deps.work.read(call, (sql) => requestSeries(sql, filter, width));
  const columns = await columnSeries(deps, call, filter);
  const machines = (await deps.machines.maySee(call))
    ? machineSeries(await deps.work.read(call, (sql) => machinesWithin(sql, filter)), width)
    : [];
  const events = await deps.work.read(call, (sql) => eventsOf(sql, filter));
  const judged: ReturnType<typeof judgeSeriesOverTime>[] = [];
  for (const one of [...requests, ...columns, ...machines]) {
    judged.push(judgeSeriesOverTime(one));
    await otherWork();
  }
  if (judged.every(({ series }) => series.points.length === 0 || isOfMachine(series)))
    throw nothingCounted(endpoint, environment);
  judged.push(...(await freshnessOf(deps, call, filter, width)));
  const changes = judged.flatMap(({ move }) => (move ? [move] : []));
  return {
    environment,
    endpoint,
    from: filter.from,
    to: filter.to,
    bucketMicros: width,
    ranking: rankMoves(changes, events),
    series: judged.map(({ series }) => series).filter(({ points }) => points.length > 0),
    events,
  };
}

/** Data products, judged by what they did in the three days before the stretch. */
async function freshnessOf(
  { products }: TimelineDeps,
  call: CallContext,
  { environment, endpoint, from, to }: TimelineFilter,
  width: number,
): Promise<ReturnType<typeof judgeFreshness>[]> {
  const published = await products.published(call, { environment, endpoint, from: from - longestMicros, to });
  return [...Map.groupBy(published, ({ contract }) => contract)].map(([contract, own]) =>
    judgeFreshness(contract, own, { from, to }, width),
  );
}

function isOfMachine({ unit }: Timeline["series"][number]): boolean {
  return unit === "percent" || unit === "bytes";
}

function stretchOf(now: number, call: CallContext, { environment, endpoint, from, to }: TimelineQuery) {
  const end = to ?? now + 1;
  const start = from ?? end - usualMicros;
  if (!(start < end) || end - start > longestMicros)
    throw new PortolanError("kernel.bad_request", {
      detail: "a timeline is of a stretch of time up to three days long",
      mend: "Ask with --from before --to, at most 72 hours apart.",
    });
  const { organisationId } = call.actor;
  return { organisationId, environment, endpoint, from: start - (start % windowMicros), to: end };
}

const stageWords: Readonly<Record<string, Pick<CountedOverTime, "layer" | "what">>> = {
  queue: { layer: "infrastructure", what: "waiting for the runtime" },
  features: { layer: "data", what: "looking up features" },
  run: { layer: "model", what: "inference" },
};

async function requestSeries(sql: Sql, filter: TimelineFilter, width: number): Promise<CountedOverTime[]> {
  const minutes = await countsByMinute(sql, filter);
  const times = await stagesWithin(sql, filter);
  const of = (
    layer: CountedOverTime["layer"],
    what: string,
    unit: CountedOverTime["unit"],
    counts: (one: (typeof minutes)[number]) => readonly number[],
  ): CountedOverTime => {
    const buckets = minutes.map((one) => ({ start: one.minute, counts: counts(one) }));
    return { layer, what, unit, width, buckets: widened(buckets, width) };
  };
  const byStage = Object.entries(stageWords).map(([stage, words]): CountedOverTime => {
    const own = times.filter((one) => one.stage === stage);
    return { ...words, unit: "ms", width, buckets: widened(own, width) };
  });
  return [
    ...byStage,
    of("service", "time of requests", "ms", ({ tookWithin }) => tookWithin),
    of("service", "requests without an answer", "share", (one) => [
      one.requests - one.unavailable,
      one.unavailable,
    ]),
    of("service", "answers by the fallback", "share", (one) => [one.answers - one.fallbacks, one.fallbacks]),
  ];
}

/** Inputs and predictions of the endpoint's own versions, on the cells of their profiles. */
async function columnSeries(
  { work, authorizer, objects }: TimelineDeps,
  call: CallContext,
  { organisationId, environment, endpoint, from, to }: TimelineFilter,
): Promise<CountedOverTime[]> {
  const filter = { organisationId, endpoint, from, to: to - 1 };
  const mayRead = await authorizer.decide(call, "predictions:read", {
    type: "Prediction",
    organisationId: call.actor.organisationId,
    environment,
  });
  const places = mayRead.allowed
    ? (await visiblePlaces({ work, authorizer }, call, filter)).filter(
        (one) => one.environment === environment,
      )
    : [];
  const windows = await work.read(call, (sql) => listWindows(sql, filter, places, mostWindows));
  const own = Map.groupBy(
    windows.filter(({ variant }) => variant === "champion"),
    seriesKey,
  );
  const found: CountedOverTime[] = [];
  for (const [series] of own.values()) {
    if (!series) continue;
    const profile = await readProfile(objects, series.profile);
    const counts = await work.read(call, (sql) => windowCounts(sql, filter, series));
    const columns = [...profile.inputs, ...profile.outputs];
    const split = counts
      .toReversed()
      .map((window) => ({ start: window.start, columns: splitCounts(columns, window.counts) }));
    const version = own.size > 1 ? ` of ${series.model}/${series.version}` : "";
    for (const [at, { name }] of columns.entries()) {
      const isInput = at < profile.inputs.length;
      const buckets = split.map((window) => ({
        start: window.start,
        counts: [...(window.columns[at]?.counts ?? [])],
      }));
      found.push({
        layer: isInput ? "data" : "model",
        what: `${isInput ? "input" : "prediction"} ${name}${version}`,
        unit: "psi",
        width: windowMicros,
        buckets: widened(buckets, windowMicros),
      });
    }
    await otherWork();
  }
  return found;
}

async function eventsOf(sql: Sql, filter: TimelineFilter): Promise<TimelineEvent[]> {
  const { organisationId, environment, endpoint, from, to } = filter;
  const recorded = await eventsWithin(sql, filter);
  const starts = await gatewayStarts(sql, filter);
  const alerts = (await listAlerts(sql, { organisationId }, mostAlerts)).filter(
    (alert) => alert.endpoint === endpoint && alert.environment === environment,
  );
  const events: TimelineEvent[] = [
    ...recorded.map(({ event, at, about }) => ({
      layer: "release" as const,
      what: `${event.split(".").slice(1).join(" ").replaceAll("_", " ")}${about === null ? "" : `: ${about}`}`,
      at,
    })),
    ...starts.map(({ writerId, at }) => ({
      layer: "infrastructure" as const,
      what: `a gateway started (${writerId})`,
      at,
    })),
    ...alerts.map(({ kind, openedAt, summary }) => ({
      layer: "service" as const,
      what: `alert of ${kind}: ${summary}`,
      at: openedAt,
    })),
  ];
  return events.filter(({ at }) => at >= from && at < to).toSorted((a, b) => a.at - b.at);
}

function nothingCounted(endpoint: string, environment: Environment): PortolanError {
  return new PortolanError("monitoring.nothing_counted", {
    detail: `nothing was counted of ${environment}/${endpoint} in this stretch of time`,
    mend: "Ask for another stretch with --from and --to.",
  });
}
