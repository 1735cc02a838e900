import type { Comparison, Evaluation, Measured } from "@portolan/evaluation/contract";
import type { TrainingSetView } from "@portolan/features/contract";
import {
  type Authorizer,
  type CallContext,
  createLogger,
  type Digest,
  microsPerSecond,
  newId,
  PortolanError,
} from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import type { GateResult, ModelVersion } from "@portolan/registry/contract";
import type { Release } from "@portolan/rollout/contract";
import {
  aCall,
  type FakeClock,
  fakeClock,
  namedPlaces,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import type { TrainingRunView } from "@portolan/training/contract";
import { afterAll, beforeAll, beforeEach } from "vitest";
import type { PipelineDefinition, PipelineRun, PipelineRunRequest } from "../src/contract.ts";
import { PipelineController, pipelineMigrations, type ScheduleDeps, startDueRuns } from "../src/index.ts";
import { requirePipelineRun } from "../src/pipeline-deps.ts";
import type { Elsewhere } from "../src/ports.ts";
import { publishPipeline } from "../src/publish-pipeline.ts";
import { runViewOf } from "../src/read-pipelines.ts";
import { startPipelineRun } from "../src/start-run.ts";

export const clock: FakeClock = fakeClock();
export let db: TestDatabase;

/** What the other domains say, as a test wants it; what they were told, in order. */
export interface Outside {
  inputs: string[] | undefined;
  /** How a training run stands when it is looked at. */
  runState: TrainingRunView["state"];
  /** Where it stands in the queue of its team. */
  queue?: { readonly says: string; readonly begunAt?: number };
  /** Why no run is begun now. */
  refused?: PortolanError;
  blocked: readonly GateResult[];
  isBetter: boolean;
  releaseState: Release["state"];
  placement: PortolanError | undefined;
  /** Throws at the next calls of that name, so many times. */
  readonly faults: Map<string, number>;
  readonly told: string[];
}

const rights = [
  "pipeline:publish",
  "pipeline:run",
  "pipeline:read",
  "features:build_training_set",
  "training:start",
  "registry:push_version",
  "evaluation:run",
  "registry:read",
];
const grants = testAuthorizer({
  ci: [...rights, "registry:promote", "serving:deploy"],
  data_scientist: rights,
});
export const ci = () => aCall({ id: "sa_ci", roles: ["ci"] });
export const scientist = () => aCall({ id: "usr_sam", roles: ["data_scientist"] });

/** By who it is, as bindings are: a stored call comes back under another request. */
const bound = (call: CallContext): CallContext =>
  [ci(), scientist()].find(({ actor }) => actor.id === call.actor.id) ?? call;
const authorizer: Authorizer = {
  decide: (call, action, resource) => grants.decide(bound(call), action, resource),
  require: (call, action, resource) => grants.require(bound(call), action, resource),
};

export let outside: Outside;
export let deps: ScheduleDeps;
let controller: PipelineController;
let count = 0;

/** A controller that knows nothing but the database, as after a crash. */
export function restart(): void {
  controller = new PipelineController(deps);
}

export const digest = `sha256:${"c0".repeat(32)}`;
const recipe = {
  name: "churn",
  contract: "customers",
  from: 0,
  to: 10,
  sampleEvery: 1,
  views: [],
  request: [],
  label: { name: "left", expression: "true" },
};
export const prepare = { kind: "prepare" as const, trainingSet: recipe, heldOut: recipe };
export const train = { kind: "train" as const, code: digest, locks: { "3.12": digest }, seed: "${seed}" };
export const toVersion = [prepare, train, { kind: "register" as const }];
export const toRelease = [
  ...toVersion,
  { kind: "evaluate" as const },
  { kind: "compare" as const, endpoint: "churn" },
  { kind: "promote" as const, to: "staging" },
  { kind: "release" as const, endpoint: "churn" },
];

/** A stage with members besides. */
export const withRules = <S extends object>(stage: S, rules: object): S => ({ ...stage, ...rules });

/** A name of this test's own. */
export const pipelineName = (): string => `churn-${count}`;

export function publish(
  stages: PipelineDefinition["stages"],
  change: Partial<PipelineDefinition> = {},
  call = ci(),
) {
  const place = { environment: "production" as const, useCaseId: `uc_${count}`, model: "churn" };
  return publishPipeline(deps, call, pipelineName(), {
    ...place,
    parameters: { seed: 7 },
    stages,
    ...change,
  });
}

export function begin(
  request: Omit<PipelineRunRequest, "environment"> = {},
  call = ci(),
): Promise<PipelineRun> {
  return startPipelineRun(deps, call, pipelineName(), { environment: "production", ...request });
}

export async function read(id: string): Promise<PipelineRun> {
  return runViewOf(await requirePipelineRun(deps, ci(), id, "pipeline:read"));
}

/** One look at everything. */
export async function look(): Promise<void> {
  await controller.round();
}

/** Looks until nothing moves any more, and says where it stands. */
export async function settled(id: string): Promise<PipelineRun> {
  for (let looks = 0; looks < 12; looks++) {
    await look();
    clock.advance(60 * microsPerSecond);
  }
  return read(id);
}

export async function beginDue(): Promise<void> {
  await startDueRuns(deps);
}

/** Things that are made at once, and are there when they are read the next time. */
function elsewhereOf(of: Outside): Elsewhere {
  const tell = (what: string): void => {
    const [name = ""] = what.split(" ");
    const left = of.faults.get(name) ?? 0;
    if (left > 0) {
      of.faults.set(name, left - 1);
      throw new Error(`${name} is out of order`);
    }
    of.told.push(what);
  };
  return { ...makers(of, tell), ...judgesOf(of, tell), ...releasing(of, tell) };
}

type Tell = (what: string) => void;

function makers(of: Outside, tell: Tell): Pick<Elsewhere, "sets" | "runs"> {
  const sets = new Map<string, TrainingSetView>();
  const runs = new Map<string, TrainingRunView>();
  return {
    sets: {
      inputs: async () => of.inputs,
      start: async (_call, id, request) => {
        tell("set");
        const manifest = { rowsAfter: 100, object: digest, features: ["a"], label: "left" };
        sets.set(id, { id, state: "ready", request, manifest } as unknown as TrainingSetView);
      },
      read: async (_call, id) => sets.get(id),
      cancel: async () => tell("cancel-set"),
    },
    runs: {
      start: async (_call, id, request, priority) => {
        if (of.refused) throw of.refused;
        tell(`run ${priority ?? 0}`);
        const failure = of.runState === "failed" ? { failure: "no luck" } : {};
        const view = { id, request, state: of.runState, result: { model: digest }, ...failure };
        runs.set(id, view as unknown as TrainingRunView);
      },
      read: async (_call, id) => {
        const found = runs.get(id);
        const queue = of.queue as TrainingRunView["queue"];
        return found && { ...found, state: of.runState, ...(queue ? { queue } : {}) };
      },
      cancel: async () => tell("cancel-run"),
    },
  };
}

function judgesOf(of: Outside, tell: Tell): Pick<Elsewhere, "judges"> {
  const measured = new Set<string>();
  const standing = <T>(key: string, found: T): Measured<T> =>
    measured.has(key) ? { kind: "done", found } : { kind: "not_begun" };
  const found = { id: "cmp_1", isBetter: of.isBetter, heldOut: { shown: true, because: "" }, champion: 1 };
  return {
    judges: {
      evaluation: async (_call, _of, key) =>
        standing(key, { id: "ev_1", gates: [] } as unknown as Evaluation),
      evaluate: async (_call, _of, key) => {
        tell("evaluate");
        measured.add(key);
      },
      comparison: async (_call, _of, key) =>
        standing(key, { ...found, isBetter: of.isBetter } as unknown as Comparison),
      compare: async (_call, _of, key) => {
        tell("compare");
        measured.add(key);
      },
      cancel: async () => tell("cancel-judge"),
    },
  };
}

function releasing(of: Outside, tell: Tell): Pick<Elsewhere, "versions" | "endpoints" | "releases"> {
  const promoted = new Map<number, string[]>();
  const releases = new Map<string, Release>();
  return {
    endpoints: {
      find: async (_call, environment, endpoint) => ({ environment, endpoint, model: "churn", version: 1 }),
    },
    versions: {
      find: async (_call, _model, version) =>
        ({ version, stages: promoted.get(version) ?? [] }) as unknown as ModelVersion,
      register: async () => {
        tell("register");
        return { id: "mv_2", version: 2 } as ModelVersion;
      },
      promote: async (_call, _model, version, to) => {
        if (version !== 1 && of.blocked.length > 0) return { kind: "blocked", failures: of.blocked };
        tell(`promote ${version} ${to}`);
        promoted.set(version, [...(promoted.get(version) ?? []), to]);
        return { kind: "promoted" };
      },
    },
    releases: {
      start: async () => {
        tell("release");
        const id = newId("release", clock.now());
        const release = { id, state: of.releaseState, isSettled: true, reasons: ["so it went"] };
        releases.set(id, release as unknown as Release);
        return { id };
      },
      read: async (_call, id) => releases.get(id) as Release,
      find: async () => [...releases.values()].at(-1),
      rollBack: async (_call, id) => {
        tell("roll-back");
        releases.set(id, { ...(releases.get(id) as Release), state: "rolled_back" });
      },
    },
  };
}

export const forbidden = (): PortolanError =>
  new PortolanError("charter.placement_refused", { detail: "data stays in eu-west" });

/** For a test file, at its top: files share this module, and hooks are of the file that registers them. */
export function openPipelineWorld(): void {
  beforeAll(async () => {
    db = await openTestDatabase({ migrations: [ledgerMigrations, pipelineMigrations], clock });
  });
  afterAll(() => db.close());
  beforeEach(() => {
    count += 1;
    outside = {
      inputs: [`dataset ${count}`],
      runState: "succeeded",
      blocked: [],
      isBetter: true,
      releaseState: "promoted",
      placement: undefined,
      faults: new Map(),
      told: [],
    };
    deps = {
      work: db.uow,
      clock,
      authorizer,
      places: namedPlaces,
      artifacts: {
        note: () => Promise.resolve(),
        require: (_call, digest) => Promise.resolve(digest as Digest),
      },
      placement: {
        require: () => (outside.placement ? Promise.reject(outside.placement) : Promise.resolve()),
      },
      log: createLogger({ name: "pipelines", level: "silent" }),
      organisations: () => Promise.resolve([testOrganisation]),
      ...elsewhereOf(outside),
    };
    restart();
  });
}
