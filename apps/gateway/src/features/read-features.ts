import type { IncomingMessage } from "node:http";
import { type EpochMicros, type Id, isPortolanError, newId, PortolanError } from "@portolan/kernel";
import {
  askedViews,
  type FeatureStatus,
  featureQuestions,
  type ReadFeatureColumns,
  readFeaturesRequest,
  type ServingErrorCode,
  writeFeatures,
} from "@portolan/serving/policy";
import type { Counter } from "@portolan/telemetry";
import { type Answer, errorAnswer } from "../http/answers.ts";
import { readBody } from "../http/read-body.ts";
import { takeTurn } from "../infer/admission.ts";
import type { Caller } from "../infer/authenticate.ts";
import type { InferDeps } from "../infer/infer.ts";
import { recordRefusal } from "../infer/refusal.ts";
import { standingHeaders } from "../infer/standing-headers.ts";
import { rateHeaders } from "../limits/caller-limits.ts";
import type { OnlinePlace } from "../online-features.ts";
import { type ActiveRoute, nowhere, type ServingState } from "../snapshot/serving-state.ts";
import { admitReader, authenticateReader, unknownEndpoint } from "./admit-reader.ts";

export type FeatureReadDeps = Pick<
  InferDeps,
  | "clock"
  | "authenticator"
  | "limits"
  | "guard"
  | "writer"
  | "metrics"
  | "snapshots"
  | "homeEnvironment"
  | "accessLog"
> & { readonly readColumns: (place: OnlinePlace) => ReadFeatureColumns };

/** A thousand entities of four keys fit. */
const mostBodyBytes = 1024 * 1024;

/** What is known of a request so far, for its line in the access log and the record of a refusal. */
interface Asked {
  readonly receivedAt: EpochMicros;
  readonly requestId: Id<"request">;
  readonly startMs: number;
  bytesIn?: number;
  caller?: Caller;
  active?: ActiveRoute;
  purpose?: string;
}

/**
 * `POST /v1/features/online`: the features that an endpoint's model would be fed with now, of some entities, without a prediction. Who may, the policy set says
 * (`features:read_online`), what for, the policies on data, whose answer is in the snapshot; purposes, limits and ages are the endpoint's. Each
 * read and each refusal is on the record.
 */
export async function readFeatures(
  deps: FeatureReadDeps,
  state: ServingState,
  request: IncomingMessage,
): Promise<Answer> {
  const receivedAt = deps.clock.now();
  const asked: Asked = {
    receivedAt,
    requestId: newId("request", receivedAt),
    startMs: performance.now(),
  };
  const answer = await read(deps, state, request, asked).catch((error: unknown) =>
    refuse(deps, state, request, asked, error),
  );
  const { requestId, startMs, bytesIn, active } = asked;
  deps.accessLog?.add({
    receivedAt,
    requestId,
    startMs,
    bytesIn,
    principal: principalOf(asked, request),
    answer,
    endpoint: active?.route.endpoint,
    environment: active?.route.environment,
  });
  return answer;
}

function principalOf({ caller }: Asked, { socket }: IncomingMessage): string {
  return caller?.principalId ?? socket.remoteAddress ?? "unknown";
}

async function read(
  deps: FeatureReadDeps,
  state: ServingState,
  request: IncomingMessage,
  asked: Asked,
): Promise<Answer> {
  const caller = await authenticateReader(deps, state, request, asked.receivedAt);
  asked.caller = caller;
  const sent = await readBody(request, mostBodyBytes);
  asked.bytesIn = sent.length;
  const wanted = readFeaturesRequest(sent);
  // What was taken away while the body came counts.
  const current = deps.snapshots.state ?? state;
  const { active, limit } = admitReader(deps, current, caller, wanted.endpoint, request, (route, purpose) => {
    asked.active = route;
    if (purpose !== undefined) asked.purpose = purpose;
  });
  const aged = standingHeaders(active, current, asked.receivedAt);
  await takeTurn(deps, { limit });
  const { features: plan } = active.route;
  const views = askedViews(plan, wanted);
  if (!plan) throw unknownEndpoint();
  // Many entities of one request are as much as one entity of each of many.
  limit.limit.settle(performance.now(), 1, wanted.rows);
  const at = deps.clock.now();
  await noteRead(deps, asked, {
    active,
    caller,
    views: views.map(({ name }) => name),
    entities: wanted.rows,
  });
  const found = await deps.readColumns(active.route)(featureQuestions(views, wanted), at);
  const { body, counts } = writeFeatures({ endpoint: wanted.endpoint, plan, views }, wanted.rows, found, at);
  count(deps, active, counts);
  return {
    status: 200,
    code: "",
    contentType: "application/json",
    body,
    headers: { ...aged, ...rateHeaders(limit, performance.now()) },
  };
}

/** Series by status, of the routes that are in force. */
const countersOf = new WeakMap<ActiveRoute, Map<FeatureStatus, Counter>>();

function count(
  { metrics }: FeatureReadDeps,
  active: ActiveRoute,
  counts: ReadonlyMap<FeatureStatus, number>,
): void {
  const counters = countersOf.get(active) ?? new Map<FeatureStatus, Counter>();
  countersOf.set(active, counters);
  const { endpoint, environment } = active.route;
  for (const [status, values] of counts) {
    const counter =
      counters.get(status) ??
      metrics.counter(
        "portolan_gateway_feature_values_total",
        "Feature values that were read without a prediction",
        { endpoint, environment, status },
      );
    counters.set(status, counter);
    counter.value += values;
  }
}

/** Before the values are read: what is not on the record is not given. The extraction guard counts each entity as a query. */
async function noteRead(
  { writer, guard }: FeatureReadDeps,
  { requestId, receivedAt, purpose }: Asked,
  {
    active,
    caller: { principalId: principal },
    views,
    entities,
  }: {
    readonly active: ActiveRoute;
    readonly caller: Caller;
    readonly views: readonly string[];
    readonly entities: number;
  },
): Promise<void> {
  guard?.countAsked(active, principal, entities);
  const noted = writer.noteRead({
    context: active.context,
    principal,
    requestId,
    receivedAt,
    ...(purpose === undefined ? {} : { purpose }),
    views,
    entities,
  });
  await noted?.catch((cause: unknown) => Promise.reject(logUnavailable(cause)));
}

function logUnavailable(cause: unknown): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>("serving.log_unavailable", {
    detail: `The read cannot be recorded${isPortolanError(cause) ? ` (${cause.code})` : ""}, so it is not answered.`,
    mend: "Make room on the gateway's disk.",
    cause,
  });
}

function refuse(
  deps: FeatureReadDeps,
  state: ServingState,
  request: IncomingMessage,
  asked: Asked,
  error: unknown,
): Promise<Answer> {
  const { caller, active, purpose, requestId, receivedAt } = asked;
  const { organisationId, version } = state.manifest;
  const environment = caller?.environments[0] ?? deps.homeEnvironment;
  const refused = {
    context: active?.context ?? nowhere(organisationId, environment, version),
    principal: principalOf(asked, request),
    requestId,
    receivedAt,
    ...(purpose === undefined ? {} : { purpose }),
  };
  return recordRefusal(deps, refused, errorAnswer(error, requestId));
}
