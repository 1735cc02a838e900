import { type AdviceDeps, registerAdviceRoutes } from "@portolan/advice";
import { registerCapacityRoutes } from "@portolan/capacity";
import { registerCharterRoutes } from "@portolan/charter";
import { registerDataRoutes } from "@portolan/data";
import { startJobWorker, startReconciler } from "@portolan/database";
import { registerEvaluationRoutes } from "@portolan/evaluation";
import { registerFeaturesRoutes } from "@portolan/features";
import { registerAuthentication, registerIdentityRoutes } from "@portolan/identity";
import { type Clock, isLoopback, type JobHandler, type Logger } from "@portolan/kernel";
import { createVerifyJob, registerLedgerRoutes, type Sequencer } from "@portolan/ledger";
import { registerLineageRoutes } from "@portolan/lineage";
import { registerMeteringRoutes } from "@portolan/metering";
import {
  type IncidentDeps,
  type ObjectiveDeps,
  type PerformanceDeps,
  registerMonitoringRoutes,
  type TimelineDeps,
} from "@portolan/monitoring";
import { registerOversightRoutes } from "@portolan/oversight";
import { registerPipelineRoutes } from "@portolan/pipelines";
import { type ReadinessDeps, registerPlannerRoutes } from "@portolan/planner";
import { registerPredictionsRoutes } from "@portolan/predictions";
import { registerRegistryRoutes } from "@portolan/registry";
import { registerRetrainingRoutes } from "@portolan/retraining";
import { registerRolloutRoutes } from "@portolan/rollout";
import { registerScoringRoutes } from "@portolan/scoring";
import { registerServingRoutes } from "@portolan/serving";
import { type MlflowRouteDeps, registerTrackingRoutes } from "@portolan/tracking";
import { registerTrainingRoutes } from "@portolan/training";
import type { FastifyInstance } from "fastify";
import type { Registry } from "prom-client";
import { backupJob } from "./backup/backups.ts";
import type { ControlSettings } from "./config.ts";
import { errorCatalogue } from "./error-catalogue.ts";
import { recordCharterRefusals } from "./http/charter-refusals.ts";
import { recordDamagedObjects } from "./http/damaged-objects.ts";
import { addDataMetrics } from "./http/data-metrics.ts";
import { addDriftMetrics } from "./http/drift-metrics.ts";
import { addExplanationMetrics } from "./http/explanation-metrics.ts";
import { addFeatureMetrics } from "./http/feature-metrics.ts";
import { healthRoutes } from "./http/health.ts";
import { addIssuerMetrics } from "./http/issuer-metrics.ts";
import { addLifecycleMetrics } from "./http/lifecycle-metrics.ts";
import { listenForMetrics } from "./http/metrics-listener.ts";
import { addReviewMetrics } from "./http/review-metrics.ts";
import { tlsOf } from "./http/safe-addresses.ts";
import { createServer } from "./http/server.ts";
import { addSnapshotMetrics } from "./http/snapshot-metrics.ts";
import { addTrainingMetrics } from "./http/training-metrics.ts";
import { startRounds } from "./rounds.ts";
import { backupRoutes } from "./routes/backups.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { wireAdvice } from "./wiring/advice.ts";
import { type AlertWiring, wireAlerts } from "./wiring/alerts.ts";
import { startArchiving } from "./wiring/archiving.ts";
import { type CapacityWiring, wireCapacity } from "./wiring/capacity.ts";
import { type DataWiring, wireData } from "./wiring/data.ts";
import { createDestinations } from "./wiring/destinations.ts";
import { type ErasureWiring, wireErasure } from "./wiring/erasure.ts";
import { type ExplainingWiring, wireExplaining } from "./wiring/explaining.ts";
import { type Foundation, openFoundation } from "./wiring/foundation.ts";
import { type GovernanceWiring, wireGovernance } from "./wiring/governance.ts";
import { type IdentityWiring, wireIdentity } from "./wiring/identity.ts";
import { keepDeps, startKeeping } from "./wiring/keeping-explanations.ts";
import { type LineageWiring, wireLineage } from "./wiring/lineage.ts";
import { type MeteringWiring, wireMetering } from "./wiring/metering.ts";
import { type MonitoringWiring, wireMonitoring } from "./wiring/monitoring.ts";
import { watchedObjectives, wireIncidents, wireObjectives, wireTimeline } from "./wiring/objectives.ts";
import { type OversightWiring, wireOversight } from "./wiring/oversight.ts";
import { wirePerformance } from "./wiring/performance.ts";
import { type PipelineWiring, wirePipelines } from "./wiring/pipelines.ts";
import { wireReadiness } from "./wiring/readiness.ts";
import { type ReleasesWiring, wireReleases } from "./wiring/releases.ts";
import { type RetrainingWiring, wireRetraining } from "./wiring/retraining.ts";
import { type ScoringWiring, wireScoring } from "./wiring/scoring.ts";
import { type ServingWiring, wireServing } from "./wiring/serving.ts";
import { createRunTracking, mlflowRegistry, runTokensOf, wireTracking } from "./wiring/tracking.ts";

export interface Control {
  readonly app: FastifyInstance;
  /** Answers what is open, gives unfinished jobs back, seals the ledger's last pass. */
  stop(): Promise<void>;
}

/** All domains, wired. */
export interface Wiring {
  readonly base: Foundation;
  readonly identity: IdentityWiring;
  readonly governance: GovernanceWiring;
  readonly monitoring: MonitoringWiring;
  readonly performance: PerformanceDeps;
  readonly alerting: AlertWiring;
  readonly objectives: ObjectiveDeps;
  readonly timeline: TimelineDeps;
  readonly incidents: IncidentDeps;
  readonly serving: ServingWiring;
  readonly releases: ReleasesWiring;
  readonly retraining: RetrainingWiring;
  readonly pipelines: PipelineWiring;
  readonly oversight: OversightWiring;
  readonly advice: AdviceDeps;
  readonly capacity: CapacityWiring;
  readonly readiness: ReadinessDeps;
  readonly data: DataWiring;
  readonly scoring: ScoringWiring;
  readonly explaining: ExplainingWiring;
  readonly erasure: ErasureWiring;
  readonly lineage: LineageWiring;
  readonly metering: MeteringWiring;
  readonly tracking: MlflowRouteDeps;
  readonly trainers: Awaited<ReturnType<typeof createRunTracking>>;
}

/** Opens the database, starts sequencer, jobs and reconciler, and listens. `onFatal` ends the process. */
export async function startControl(
  config: ControlSettings,
  log: Logger,
  clock: Clock,
  onFatal: (error: Error) => void,
): Promise<Control> {
  const { base, sequencer } = await openFoundation(config, log, clock, onFatal);
  const { app, wiring, metrics } = await assembleControl(base);
  const background = await startBackground(wiring, sequencer);
  await app.listen({ host: config.CONTROL_HOST, port: config.CONTROL_PORT });
  const scrapes = await listenForMetrics(config, metrics);
  log.info(
    {
      port: config.CONTROL_PORT,
      metricsPort: scrapes?.port ?? null,
      recovered: sequencer.recovered.length,
    },
    "control.started",
  );
  return {
    app,
    stop: async () => {
      await app.close();
      await scrapes?.close();
      await background.stop();
      await sequencer.stop();
      await wiring.trainers.close();
      await wiring.data.close();
      await base.database.close();
    },
  };
}

/**
 * All domains wired on a foundation behind one server that does not listen yet; nothing runs in the background.
 * `watch` gets the server before its first route, so that it can see them all registered.
 */
export async function assembleControl(
  base: Foundation,
  watch?: (app: FastifyInstance) => void,
): Promise<{ readonly app: FastifyInstance; readonly wiring: Wiring; readonly metrics: Registry }> {
  const { config, log, clock } = base;
  const wiring = await wireAll(base);
  const app = await createServer({ catalogue: errorCatalogue, log, clock, ...tlsOf(config) });
  watch?.(app);
  const metrics = await registerRoutes(app, wiring);
  return { app, wiring, metrics };
}

/** Every domain, with what it needs of the others. */
async function wireAll(base: Foundation): Promise<Wiring> {
  const identity = await wireIdentity(base, runTokensOf(base));
  const governance = wireGovernance(base, identity);
  const monitoring = wireMonitoring(base, identity, governance.registry);
  const serving = wireServing(base, identity, governance.charter, governance.registry, monitoring.profiles);
  const releases = wireReleases(base, identity, governance.charter, serving);
  const tracking = wireTracking(base, identity, errorCatalogue, governance.registry);
  const metering = wireMetering(base, identity, governance.charter);
  const capacity = wireCapacity(base, identity, governance.charter);
  const trainers = await createRunTracking(base, identity, tracking);
  const { artifacts } = governance.registry;
  const data = await wireData(base, identity, governance.charter, artifacts, trainers.tracking, {
    baseModels: governance.baseModels,
    admission: capacity.admission,
  });
  const scoring = wireScoring(base, identity, {
    charter: governance.charter,
    registry: governance.registry,
    serving: serving.serving,
    residency: data.residency,
    upstreams: governance.upstreams,
    admission: capacity.admission,
  });
  const performance = wirePerformance(base, identity, serving.predictions);
  const parts = { ...governance, ...data, ...monitoring, ...releases, performance };
  return {
    base,
    identity,
    governance,
    monitoring,
    performance,
    alerting: wireAlerts(base, identity, performance, {
      publisher: serving.publisher,
      objectives: watchedObjectives(governance.charter, serving),
      spending: metering.spending,
      idle: capacity.idle,
    }),
    objectives: wireObjectives(base, identity, governance.charter, serving),
    timeline: wireTimeline(base, identity, serving),
    incidents: wireIncidents(base, identity, serving),
    serving,
    releases,
    retraining: wireRetraining(base, identity, parts),
    pipelines: wirePipelines(base, identity, parts),
    oversight: wireOversight(base, identity, serving.predictions),
    advice: wireAdvice(base, identity),
    capacity,
    readiness: wireReadiness(base, identity),
    data,
    scoring,
    explaining: wireExplaining(base, identity, governance.registry, serving.predictions),
    erasure: wireErasure(base, data.features, data.data, serving.predictions),
    lineage: wireLineage(base, identity),
    metering,
    tracking,
    trainers,
  };
}

async function registerRoutes(app: FastifyInstance, wiring: Wiring): Promise<Registry> {
  const { base, identity, data, serving } = wiring;
  const { authorizer, authenticator, onDenied } = identity;
  const { credentialOf } = wiring.oversight.sessions;
  registerAuthentication(app, { authenticator, authorizer, clock: base.clock, onDenied, credentialOf });
  for (const keep of [recordCharterRefusals, recordDamagedObjects]) keep(app, onDenied);
  const metrics = healthRoutes(app, {
    showsMetrics: base.config.METRICS_PORT === undefined && isLoopback(base.config.CONTROL_HOST),
    checks: [
      {
        name: "database",
        check: () => base.database.session(async (session) => void (await session.query("select 1"))),
      },
    ],
  });
  addDataMetrics(metrics, { work: base.work, clock: base.clock });
  addTrainingMetrics(metrics, { work: base.work, clock: base.clock });
  addReviewMetrics(metrics, { work: base.work, clock: base.clock });
  addExplanationMetrics(metrics, { work: base.work, clock: base.clock });
  addSnapshotMetrics(metrics, serving.publisher);
  addIssuerMetrics(metrics, identity.issuerKeys, base.clock);
  addDriftMetrics(metrics, { work: base.work, clock: base.clock, objects: base.objects });
  addLifecycleMetrics(metrics, wiring.objectives);
  addFeatureMetrics(metrics, { work: base.work, clock: base.clock, online: data.features.online });
  await registerIdentityRoutes(app, {
    unitOfWork: base.work,
    authorizer,
    clock: base.clock,
    keyRing: base.keys,
    developmentIssuer: identity.developmentIssuer,
    localCredential: identity.localCredential,
    addresses: identity.addresses,
    issuerKeys: identity.issuerKeys,
    onDenied,
  });
  const destinations = createDestinations(base.work, base.config);
  await registerLedgerRoutes(app, {
    ...ledgerDeps(base, identity),
    exports: {
      require: async (call, stated) =>
        void (await destinations.require(call, { kind: "export", name: "ledger", whole: false }, stated)),
    },
  });
  await registerDomainRoutes(app, wiring);
  await app.register((scope) =>
    backupRoutes(scope, {
      work: base.work,
      authorizer,
      clock: base.clock,
      home: base.config.PORTOLAN_HOME,
      destinations,
    }),
  );
  await app.register((scope) =>
    jobRoutes(scope, { database: base.database, work: base.work, authorizer, jobs: base.jobs }),
  );
  return metrics;
}

async function registerDomainRoutes(
  app: FastifyInstance,
  {
    governance,
    monitoring,
    performance,
    alerting,
    incidents,
    objectives,
    timeline,
    serving,
    releases,
    retraining,
    pipelines,
    oversight,
    advice,
    capacity,
    readiness,
    data,
    scoring,
    explaining,
    lineage,
    metering,
    tracking,
  }: Omit<Wiring, "base" | "identity" | "trainers" | "erasure">,
): Promise<void> {
  await registerCharterRoutes(app, governance.charter);
  await registerPlannerRoutes(app, governance.planner, readiness);
  await registerRegistryRoutes(app, governance.registry);
  await registerEvaluationRoutes(app, governance.evaluation, governance.textEvaluation, explaining.explain);
  await registerMonitoringRoutes(app, {
    drift: monitoring.monitoring,
    performance,
    alerts: alerting.alerts,
    incidents,
    objectives,
    timeline,
  });
  await registerServingRoutes(app, serving.serving);
  await registerRolloutRoutes(app, releases.releases);
  await registerRetrainingRoutes(app, retraining.retraining);
  await registerPipelineRoutes(app, pipelines.pipelines);
  await registerOversightRoutes(app, oversight);
  await registerAdviceRoutes(app, advice);
  await registerCapacityRoutes(app, capacity);
  await registerPredictionsRoutes(app, serving.predictions);
  await registerDataRoutes(app, data.data);
  await registerFeaturesRoutes(app, data.features);
  await registerTrainingRoutes(app, data.training);
  await registerTrackingRoutes(app, { ...tracking, others: mlflowRegistry(governance.registry, tracking) });
  await registerScoringRoutes(app, scoring.scoring);
  await registerLineageRoutes(app, lineage.lineage);
  await registerMeteringRoutes(app, metering.metering);
}

function ledgerDeps(base: Foundation, identity: IdentityWiring) {
  return {
    uow: base.work,
    authorizer: identity.authorizer,
    keys: base.keys,
    clock: base.clock,
    folder: `${base.config.PORTOLAN_HOME}/ledger`,
  };
}

async function startBackground(wiring: Wiring, sequencer: Sequencer): Promise<{ stop(): Promise<void> }> {
  const { base, identity, serving, data, erasure, lineage } = wiring;
  const { database, clock, log, work, jobs } = base;
  const reconciler = await startReconciler({
    database,
    clock,
    log,
    handlers: [...serving.intents, ...erasure.intents, ...data.intents],
  });
  base.onIntents = () => reconciler.wake();
  const home = base.config.PORTOLAN_HOME;
  const archiving = await startArchiving(
    serving.predictions,
    serving.retention,
    () => identity.directory.organisations(),
    log,
  );
  const handlers = [
    ...jobsOf(wiring),
    archiving.pausing(backupJob({ database, clock, home, pauseLedger: () => sequencer.pause() })),
  ];
  const worker = await startJobWorker({ database, uow: work, jobs, clock, handlers, log });
  const subscriptions = await data.runSubscriptions();
  await lineage.retell();
  const releases = wiring.releases.startController();
  const rounds = startRounds(wiring);
  const keeping = startKeeping(
    keepDeps(base, wiring.explaining, serving.predictions),
    () => identity.directory.organisations(),
    clock,
    log,
  );
  return {
    stop: async () => {
      for (const one of rounds) clearInterval(one);
      await keeping.stop();
      await releases.stop();
      await subscriptions.stop();
      await archiving.stop();
      await worker.stop();
      await reconciler.stop();
    },
  };
}

function jobsOf(wiring: Wiring): JobHandler[] {
  const { governance, monitoring, alerting, data, scoring, explaining, erasure } = wiring;
  const domains = [governance, monitoring, alerting, data, scoring, explaining, erasure];
  return [...domains.flatMap(({ jobs }) => jobs), createVerifyJob(ledgerDeps(wiring.base, wiring.identity))];
}
