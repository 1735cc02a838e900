import type { Command } from "commander";
import type { ContextOf } from "./program.ts";

type Register = (program: Command, contextOf: ContextOf) => void;

interface CommandGroup {
  /** First words of the commands that it registers, in the order of `--help`. */
  readonly names: readonly string[];
  load(): Promise<Register>;
}

/** Each is loaded when one of its commands is asked for: all of them together take as long as most commands do. */
export const commandGroups: readonly CommandGroup[] = [
  {
    names: ["init", "apply"],
    load: async () => (await import("./commands/project.ts")).registerProjectCommands,
  },
  { names: ["plan"], load: async () => (await import("./commands/plan.ts")).registerPlanCommand },
  {
    names: ["readiness"],
    load: async () => (await import("./commands/readiness.ts")).registerReadinessCommand,
  },
  { names: ["price"], load: async () => (await import("./commands/price.ts")).registerPriceCommands },
  { names: ["adopt"], load: async () => (await import("./commands/adopt.ts")).registerAdoptCommand },
  {
    names: ["charter", "sign"],
    load: async () => (await import("./commands/charter.ts")).registerCharterCommands,
  },
  {
    names: ["contract"],
    load: async () => (await import("./commands/contract.ts")).registerContractCommands,
  },
  { names: ["data"], load: async () => (await import("./commands/data.ts")).registerDataCommands },
  { names: ["lineage"], load: async () => (await import("./commands/lineage.ts")).registerLineageCommand },
  {
    names: ["features"],
    load: async () => (await import("./commands/features.ts")).registerFeaturesCommands,
  },
  {
    names: ["up", "down", "status", "logs"],
    load: async () => (await import("./commands/server.ts")).registerServerCommands,
  },
  {
    names: [
      "business-unit",
      "team",
      "use-case",
      "user",
      "service-account",
      "whoami",
      "grant",
      "api-key",
      "identity",
    ],
    load: async () => (await import("./commands/identity.ts")).registerIdentityCommands,
  },
  {
    names: ["login", "logout"],
    load: async () => (await import("./commands/login.ts")).registerLoginCommands,
  },
  { names: ["ci"], load: async () => (await import("./commands/ci.ts")).registerCiCommands },
  { names: ["sweep"], load: async () => (await import("./commands/sweep.ts")).registerSweepCommands },
  { names: ["model"], load: async () => (await import("./commands/model.ts")).registerModelCommands },
  {
    names: ["evaluation-set"],
    load: async () => (await import("./commands/evaluation-set.ts")).registerEvaluationSetCommands,
  },
  { names: ["edge"], load: async () => (await import("./commands/edge.ts")).registerEdgeCommands },
  {
    names: ["endpoint"],
    load: async () => (await import("./commands/endpoint.ts")).registerEndpointCommands,
  },
  {
    names: ["release"],
    load: async () => (await import("./commands/release.ts")).registerReleaseCommands,
  },
  { names: ["flag"], load: async () => (await import("./commands/flag.ts")).registerFlagCommands },
  {
    names: ["pipeline"],
    load: async () => (await import("./commands/pipeline.ts")).registerPipelineCommands,
  },
  {
    names: ["retrain"],
    load: async () => (await import("./commands/retrain.ts")).registerRetrainCommands,
  },
  {
    names: ["predict", "outcome"],
    load: async () => (await import("./commands/prediction.ts")).registerPredictionCommands,
  },
  {
    names: ["explain", "explanations"],
    load: async () => (await import("./commands/explain.ts")).registerExplain,
  },
  {
    names: ["predictions"],
    load: async () => (await import("./commands/predictions.ts")).registerPredictionsCommands,
  },
  { names: ["score"], load: async () => (await import("./commands/score.ts")).registerScoreCommand },
  { names: ["job"], load: async () => (await import("./commands/job.ts")).registerJobCommands },
  { names: ["drift"], load: async () => (await import("./commands/drift.ts")).registerDriftCommands },
  { names: ["slo"], load: async () => (await import("./commands/slo.ts")).registerSloCommands },
  { names: ["timeline"], load: async () => (await import("./commands/timeline.ts")).registerTimelineCommand },
  {
    names: ["incident"],
    load: async () => (await import("./commands/incident.ts")).registerIncidentCommands,
  },
  { names: ["alert"], load: async () => (await import("./commands/alert.ts")).registerAlertCommands },
  {
    names: ["performance"],
    load: async () => (await import("./commands/performance.ts")).registerPerformanceCommands,
  },
  { names: ["review"], load: async () => (await import("./commands/review.ts")).registerReviewCommands },
  {
    names: ["feedback"],
    load: async () => (await import("./commands/feedback.ts")).registerFeedbackCommands,
  },
  { names: ["audit"], load: async () => (await import("./commands/audit.ts")).registerAuditCommands },
  {
    names: ["backup", "restore", "backups"],
    load: async () => (await import("./commands/backup.ts")).registerBackupCommands,
  },
  { names: ["advise"], load: async () => (await import("./commands/advise.ts")).registerAdviseCommands },
  { names: ["bill"], load: async () => (await import("./commands/bill.ts")).registerBillCommands },
  { names: ["budget"], load: async () => (await import("./commands/budget.ts")).registerBudgetCommands },
  { names: ["usage"], load: async () => (await import("./commands/usage.ts")).registerUsageCommands },
  {
    names: ["statement"],
    load: async () => (await import("./commands/statement.ts")).registerStatementCommand,
  },
  {
    names: ["own-or-rent"],
    load: async () => (await import("./commands/own-or-rent.ts")).registerOwnOrRentCommand,
  },
  { names: ["procure"], load: async () => (await import("./commands/procure.ts")).registerProcureCommand },
  { names: ["forecast"], load: async () => (await import("./commands/forecast.ts")).registerForecastCommand },
  {
    names: ["feed-gpus"],
    load: async () => (await import("./commands/feed-gpus.ts")).registerFeedGpusCommand,
  },
  { names: ["replicas"], load: async () => (await import("./commands/replicas.ts")).registerReplicasCommand },
  { names: ["pool"], load: async () => (await import("./commands/pool.ts")).registerPoolCommands },
  { names: ["quota"], load: async () => (await import("./commands/quota.ts")).registerQuotaCommands },
  { names: ["policy"], load: async () => (await import("./commands/policy.ts")).registerPolicyCommands },
  { names: ["doctor"], load: async () => (await import("./commands/doctor.ts")).registerDoctorCommand },
  { names: ["demo"], load: async () => (await import("./commands/demo.ts")).registerDemoCommand },
];

/** The group of that command, or all of them where no command has that name: help and suggestions name every one. */
export function groupsFor(name: string | undefined): readonly CommandGroup[] {
  const group = commandGroups.find(({ names }) => name !== undefined && names.includes(name));
  return group ? [group] : commandGroups;
}
