import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  createLogger,
  type Environment,
  environments,
  isLoopback,
  type Logger,
  messageOf,
  type Place,
  requirePrivateTransport,
  systemClock,
} from "@portolan/kernel";
import type { PredictionWriter } from "@portolan/predictions/contract";
import { Metrics, openTracing, type Tracing } from "@portolan/telemetry";
import { ClockOffset } from "./clock-offset.ts";
import type { GatewayConfig } from "./config.ts";
import { createControlClient } from "./control-client.ts";
import { createCredential } from "./credential.ts";
import { type Drift, openDrift } from "./drift/open-drift.ts";
import { grpcMethods } from "./grpc/methods.ts";
import { type GrpcServer, listenGrpc } from "./grpc/server.ts";
import { type HandleDeps, handle, readinessProblem } from "./handle.ts";
import { type ListeningServer, listen } from "./http/server.ts";
import { createAuthenticator } from "./infer/authenticate.ts";
import { HealthBook } from "./infer/health-book.ts";
import { outsideOf } from "./infer/outside-callers.ts";
import { RequestTraces } from "./infer/request-traces.ts";
import { StatisticsBook } from "./infer/statistics-book.ts";
import type { ClientCertificates } from "./limits/client-certificates.ts";
import { CredentialBudget } from "./limits/credential-budget.ts";
import { openGuard } from "./limits/extraction/open-guard.ts";
import { Standings } from "./limits/extraction/standings.ts";
import { createGuardedAuthenticator } from "./limits/guarded-authenticator.ts";
import { openCertificates } from "./limits/open-certificates.ts";
import { openLimits } from "./limits/open-limits.ts";
import { listenForMetrics, requireSafeAddresses, tlsOf } from "./listeners.ts";
import { AccessLog } from "./log/access-log.ts";
import { openDelivery, openWriter, recordRefusedModel } from "./log/open-log.ts";
import { openModels } from "./models/open-models.ts";
import { openOnlineFeatures } from "./online-features.ts";
import { renderMetrics } from "./render-metrics.ts";
import { openDiskCache } from "./snapshot/disk-cache.ts";
import { SnapshotManager, type SnapshotManagerDeps } from "./snapshot/snapshot-manager.ts";

export interface RunningGateway {
  readonly port: number;
  close(): Promise<void>;
}

const version = "0.1.0";
const lastDeliveryMs = 2000;
/** The first gateway of an installation has its state where it always was. */
const defaultName = "gateway";
const longestUnreadyMs = 20_000;
const readyPollMs = 20;

/** Wires and starts a gateway. It answers health checks at once, and inferences as soon as it has a snapshot. */
export async function startGateway(config: GatewayConfig): Promise<RunningGateway> {
  requireSafeAddresses(config);
  const isOutside = outsideOf(config.INSIDE_NETWORKS);
  const log = createLogger({ name: "gateway", level: config.LOG_LEVEL as "info" });
  const parts = await assemble(config, log);
  const { metrics, writer, snapshots, credential, features } = parts;
  let draining = false;
  const deps = {
    clock: systemClock,
    homeEnvironment: servedEnvironments(config).at(-1) ?? "production",
    writer,
    limits: parts.limits.callers,
    guard: parts.guard,
    drift: parts.drift.book,
    health: new HealthBook(),
    authenticator: createGuardedAuthenticator({
      tokens: createAuthenticator(systemClock, () => snapshots.state),
      budget: new CredentialBudget(config.LIMITS_FAILED_CREDENTIALS),
      certificates: parts.certificates,
      nowMs: () => performance.now(),
    }),
    metrics,
    isOutside,
    readOnline: features.reader,
    readColumns: features.columnsReader,
    statistics: new StatisticsBook(),
    ...(parts.traces ? { traces: parts.traces } : {}),
    ...(parts.accessLog ? { accessLog: parts.accessLog } : {}),
    snapshots,
    clockOffset: parts.clockOffset,
    version,
    isDraining: () => draining,
    showsMetrics: config.METRICS_PORT === undefined && isLoopback(config.GATEWAY_HOST),
  };
  const scrapes = await listenForScrapes(config, deps);
  // Beside others on its port it is sent callers from its first moment: it comes when it can answer them.
  const { GATEWAY_SHARED_PORT: isShared } = config;
  const early = isShared ? undefined : await listenAll(config, deps, parts.certificates);
  credential.start();
  await snapshots.start();
  await parts.drift.prepare(snapshots.state?.routes.values() ?? []);
  if (isShared) await untilReady(deps);
  const { server, grpc } = early ?? (await listenAll(config, deps, parts.certificates));
  parts.delivery.adopt();
  const { writerId, epoch } = writer;
  const ports = {
    ...(grpc ? { grpcPort: grpc.port } : {}),
    ...(scrapes ? { metricsPort: scrapes.port } : {}),
  };
  log.info({ port: server.port, ...ports, writer: writerId, epoch }, "gateway.started");
  return {
    port: server.port,
    async close() {
      draining = true;
      await Promise.all([server.close(config.DRAIN_MS), grpc?.close(config.DRAIN_MS)]);
      await scrapes?.close();
      await parts.close();
      log.info({}, "gateway.stopped");
    },
  };
}

function listenForScrapes(config: GatewayConfig, deps: HandleDeps) {
  return listenForMetrics(config, {
    render: async (accept) => renderMetrics(deps, accept),
    readiness: () => readinessProblem(deps),
  });
}

/** Not for ever: one that is not ready by then says so to whoever asks, as one that has its port to itself does. */
async function untilReady(deps: HandleDeps): Promise<void> {
  const deadlineMs = performance.now() + longestUnreadyMs;
  while (readinessProblem(deps) !== undefined && performance.now() < deadlineMs) await sleep(readyPollMs);
}

/** Everything behind the listeners. */
async function assemble(config: GatewayConfig, log: Logger) {
  const folder = stateFolder(config);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const metrics = new Metrics();
  const standings = new Standings();
  const limits = await openLimits(config, metrics, log, standings);
  const cache = openDiskCache(folder);
  const { CONTROL_URL: controlUrl, CONTROL_TOKEN: given } = config;
  const credential = createCredential({ controlUrl, given, cache, clock: systemClock, log });
  const clockOffset = new ClockOffset(systemClock, log);
  const stated = { gateway: config.GATEWAY_NAME, ...placeOf(config) };
  const control = createControlClient(controlUrl, credential, stated, clockOffset);
  const writer = await openWriter(config, log);
  const guard = openGuard(config, { standings, metrics, log, writer, clock: systemClock });
  const tracing = await openTraces(config, metrics);
  const models = openModels(config, { folder, cache, control, metrics, log });
  const drift = openDrift({ ...driftSettings(config, folder), cache, control, writer, metrics, log });
  const following = { cache, control, pool: models.pool, log, metrics, writer, drift };
  const snapshots = followSnapshots(config, following);
  const features = await openOnlineFeatures(config, { metrics, log });
  const { ACCESS_LOG: target } = config;
  const accessLog = target === undefined ? undefined : new AccessLog({ target, metrics, log });
  const delivery = openDelivery(config, { control, metrics, log });
  return {
    metrics,
    clockOffset,
    limits,
    guard,
    drift,
    certificates: openCertificates(config, systemClock, log),
    writer,
    credential,
    snapshots,
    features,
    delivery,
    ...(accessLog ? { accessLog } : {}),
    ...(tracing ? { traces: new RequestTraces(tracing, config.TRACES_SAMPLE) } : {}),
    async close() {
      models.close();
      // What one of them cannot finish must not keep the log from being closed and delivered.
      for (const part of [tracing, accessLog, credential, snapshots, limits, guard, drift])
        await part
          ?.close()
          .catch((error: unknown) => log.error({ error: messageOf(error) }, "gateway.stop.failed"));
      // The last block closes with the writer; control gets it now if it is there, else after the next start.
      await writer.close();
      await Promise.race([delivery.flush().catch(() => undefined), sleep(lastDeliveryMs)]);
      await delivery.close();
      await features.close();
    },
  };
}

function driftSettings({ DRIFT_FLUSH_S, DRIFT_LAG_MS, GATEWAY_NAME }: GatewayConfig, folder: string) {
  return {
    folder: join(folder, "drift", GATEWAY_NAME),
    flushMs: DRIFT_FLUSH_S * 1000,
    laggingMs: DRIFT_LAG_MS,
  };
}

type FollowDeps = Pick<SnapshotManagerDeps, "cache" | "control" | "pool" | "log" | "metrics"> & {
  readonly writer: PredictionWriter;
  readonly drift: Drift;
};

function followSnapshots(config: GatewayConfig, { writer, drift, ...deps }: FollowDeps): SnapshotManager {
  return new SnapshotManager({
    ...deps,
    environments: servedEnvironments(config),
    endpoints: new Set(config.GATEWAY_ENDPOINTS.split(",").filter((name) => name !== "")),
    place: placeOf(config),
    clock: systemClock,
    onModelRefused: (route) => void recordRefusedModel(writer, route, deps.log),
    onServing: (routes) => void drift.prepare(routes),
  });
}

/** In the order of promotion. */
function servedEnvironments({ GATEWAY_ENVIRONMENTS: names }: GatewayConfig): Environment[] {
  return environments.filter((name) => names.split(",").includes(name));
}

function placeOf({ LOCATION_REGION: region, LOCATION_OWNER: owner }: GatewayConfig): Place {
  return { region, owner };
}

/** Both protocols on one address; they share everything behind it. */
async function listenAll(
  config: GatewayConfig,
  deps: HandleDeps,
  certificates: ClientCertificates | undefined,
): Promise<{ readonly server: ListeningServer; readonly grpc?: GrpcServer }> {
  const isShared = config.GATEWAY_SHARED_PORT;
  const address = { host: config.GATEWAY_HOST, isShared, ...tlsOf(config), certificates };
  const server = await listen({
    ...address,
    port: config.GATEWAY_PORT,
    handle: (request) => handle(deps, request),
  });
  if (config.GRPC_PORT < 0) return { server };
  const grpc = await listenGrpc({ ...address, port: config.GRPC_PORT, methods: grpcMethods(deps) });
  return { server, grpc };
}

/** Absent where no collector is configured. */
function openTraces(config: GatewayConfig, metrics: Metrics): Promise<Tracing> | undefined {
  const { TRACES_URL: url, TRACES_TOKEN: token, GATEWAY_NAME: instance } = config;
  if (url === undefined) return undefined;
  if (token) requirePrivateTransport(url, "TRACES_URL");
  const headers = token ? { headers: { authorization: `Bearer ${token.reveal()}` } } : {};
  const onSent = (spans: number, isTaken: boolean): void => {
    const help = "1 while the collector takes traces, by the latest that were sent";
    metrics.gauge("portolan_gateway_trace_collector_reachable", help, {}, isTaken ? 1 : 0);
    if (!isTaken)
      metrics.count("portolan_gateway_spans_lost_total", "Spans that the collector did not take", {}, spans);
  };
  return openTracing({ url, ...headers, service: "portolan-gateway", version, instance, onSent });
}

/** Trust, snapshot, models and credential of one gateway; what several processes wrote would not be one state. */
function stateFolder({ PORTOLAN_HOME: home, GATEWAY_NAME: name }: GatewayConfig): string {
  return name === defaultName ? join(home, "gateway") : join(home, "gateways", name);
}
