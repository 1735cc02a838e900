import type { Comparison, Evaluation, GateResult } from "@portolan/evaluation/contract";
import type { TrainingSetView } from "@portolan/features/contract";
import { createLogger, type Environment, microsPerSecond, newId } from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import type { ModelVersion } from "@portolan/registry/contract";
import type { Release } from "@portolan/rollout/contract";
import {
  aCall,
  type FakeClock,
  fakeClock,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import type { TrainingRunView } from "@portolan/training/contract";
import { afterAll, beforeAll, beforeEach } from "vitest";
import type { Retraining } from "../src/contract.ts";
import { RetrainingController, retrainingMigrations, type WatchDeps } from "../src/index.ts";
import type { AccuracyWindow, DriftFinding } from "../src/policy/hysteresis.ts";
import type { Champion, FoundRecipe, TrainingBudget } from "../src/ports.ts";
import type { ReportDeps } from "../src/read-report.ts";
import { readRetraining } from "../src/read-retrainings.ts";

export const clock: FakeClock = fakeClock();
export let db: TestDatabase;

const dayMicros = 86_400 * microsPerSecond;
const digest = (hex: string): string => `sha256:${hex.repeat(32)}`;

/** What the other domains say, as a test wants it; what they were told, in order. */
export interface Elsewhere {
  champion: Champion;
  recipe: FoundRecipe;
  newestEvent: number;
  /** What a training run leaves. */
  model: string;
  runState: TrainingRunView["state"];
  isBetter: boolean;
  blocked: readonly GateResult[];
  releaseState: Release["state"];
  windows: AccuracyWindow[];
  drift: DriftFinding;
  hasConceptDrift: boolean;
  permitted: boolean;
  /** Why it is not. */
  becauseNot: string;
  /** What permits were asked to hold it to. */
  readonly budgets: TrainingBudget[];
  /** Throws at the next calls of that name, so many times. */
  faults: Map<string, number>;
  readonly told: string[];
}

export let elsewhere: Elsewhere;
export let deps: WatchDeps & ReportDeps & ConstructorParameters<typeof RetrainingController>[0];
let controller: RetrainingController;
/** Versions of retrainings whose end was told of. */
export const ends: { readonly id: string; readonly version: number }[] = [];

const authorizer = testAuthorizer({
  team_lead: ["retraining:start", "retraining:approve", "retraining:set_policy", "retraining:read"],
});
export const lead = (id = "usr_lea") => aCall({ id, roles: ["team_lead"] });

let count = 0;

export function setUp(environment: Environment): void {
  const now = clock.now();
  elsewhere = {
    champion: {
      endpoint: `churn-${count}`,
      environment,
      useCaseId: `uc_${count}`,
      businessUnitId: "bu_1",
      teamId: null,
      model: "churn",
      version: 1,
    },
    recipe: {
      kind: "found",
      recipe: {
        versionId: "mv_1",
        artifact: digest("a1"),
        registeredAt: now,
        set: {
          name: "churn",
          environment,
          contract: "customers",
          from: 0,
          to: 10 * dayMicros,
          sampleEvery: 1,
          views: [],
          request: [],
          label: { name: "left", expression: "true" },
        },
        span: { from: 0, to: 10 * dayMicros },
        run: { environment, trainingSetId: "ts_1", code: digest("c0"), locks: {}, params: {}, seed: 7 },
        features: undefined,
      },
    },
    newestEvent: 20 * dayMicros,
    model: digest("b2"),
    runState: "succeeded",
    isBetter: true,
    blocked: [],
    releaseState: "promoted",
    windows: [],
    drift: "unclear",
    hasConceptDrift: false,
    permitted: true,
    becauseNot: "the budget is spent",
    budgets: [],
    faults: new Map(),
    told: [],
  };
  ends.length = 0;
  deps = {
    ended: async (_tx, { id, version }) => void ends.push({ id, version }),
    work: db.uow,
    clock,
    authorizer,
    log: createLogger({ name: "retraining", level: "silent" }),
    organisations: async () => [testOrganisation],
    ...knowing(elsewhere),
    ...making(elsewhere),
  };
  restart();
}

/** A controller that knows nothing but the database, as after a crash. */
export function restart(): void {
  controller = new RetrainingController(deps);
}

function knowing(of: Elsewhere) {
  return {
    endpoints: {
      find: async (_call: unknown, environment: string, name: string) =>
        environment === of.champion.environment && name === of.champion.endpoint ? of.champion : undefined,
      list: async () => [of.champion],
    },
    charters: { inForce: async () => undefined },
    recipes: { find: async () => of.recipe },
    rows: { newest: async () => ({ datasetId: "ds_2", firstEvent: 0, lastEvent: of.newestEvent }) },
    signals: {
      accuracy: async () => of.windows,
      concept: async () => ({ hasDrifted: of.hasConceptDrift, evidence: { wrongRecently: 0.25 } }),
      drift: async () => ({ finding: of.drift, evidence: { inputs: of.drift } }),
    },
    costs: { ofRun: async () => undefined },
    permits: {
      mayRun: async (_call: unknown, _of: unknown, budget: TrainingBudget) => {
        of.budgets.push(budget);
        return of.permitted
          ? ({ kind: "yes", evidence: { spentThisMonth: "1.5 USD" } } as const)
          : ({ kind: "no", because: of.becauseNot, by: ["charter_budget"] } as const);
      },
    },
  };
}

/** Things that are made at once, and are there when they are read the next time. */
function making(of: Elsewhere) {
  const sets = new Map<string, TrainingSetView>();
  const runs = new Map<string, TrainingRunView>();
  const measured = new Set<string>();
  const promoted = new Map<number, string[]>();
  const releases = new Map<string, Release>();
  const tell = (what: string): void => {
    const [name = ""] = what.split(" ");
    const left = of.faults.get(name) ?? 0;
    if (left > 0) {
      of.faults.set(name, left - 1);
      throw new Error(`${name} is out of order`);
    }
    of.told.push(what);
  };
  const once = (what: string): void => {
    if (!of.told.includes(what)) tell(what);
  };
  return {
    sets: {
      start: async (_call: unknown, id: string, request: TrainingSetView["request"]) => {
        tell(`set ${request.from} ${request.to}`);
        const view = { id, environment: request.environment, state: "ready", request, startedAt: 1 } as const;
        sets.set(id, { ...view, manifest: { rowsAfter: 100 } } as unknown as TrainingSetView);
      },
      read: async (_call: unknown, id: string) => sets.get(id),
    },
    runs: {
      start: async (_call: unknown, id: string, request: TrainingRunView["request"]) => {
        tell("run");
        const view = { id, request, state: of.runState, startedBy: "x", startedAt: 1 };
        runs.set(id, { ...view, result: { model: of.model } } as unknown as TrainingRunView);
      },
      read: async (_call: unknown, id: string) => runs.get(id),
      cancel: async () => tell("cancel-run"),
    },
    judges: {
      evaluation: async (_call: unknown, _of: unknown, key: string) =>
        measured.has(key)
          ? ({ kind: "done", found: { id: "ev_1", gates: [] } as unknown as Evaluation } as const)
          : ({ kind: "not_begun" } as const),
      evaluate: async (_call: unknown, _of: unknown, key: string) => {
        tell("evaluate");
        measured.add(key);
      },
      comparison: async (_call: unknown, _of: unknown, key: string) => {
        const found = {
          id: "cmp_1",
          isBetter: of.isBetter,
          heldOut: { shown: true, because: "" },
          values: [],
        };
        return measured.has(key)
          ? ({ kind: "done", found: found as unknown as Comparison } as const)
          : ({ kind: "not_begun" } as const);
      },
      compare: async (_call: unknown, _of: unknown, key: string) => {
        tell("compare");
        measured.add(key);
      },
    },
    versions: {
      find: async (_call: unknown, _model: string, version: number) =>
        ({ version, stages: promoted.get(version) ?? [] }) as unknown as ModelVersion,
      register: async () => {
        once("register");
        return { id: "mv_2", version: 2 } as ModelVersion;
      },
      promote: async (_call: unknown, _model: string, version: number, to: string) => {
        if (version !== 1 && of.blocked.length > 0) return { kind: "blocked", failures: of.blocked } as const;
        tell(`promote ${version} ${to}`);
        promoted.set(version, [...(promoted.get(version) ?? []), to]);
        return { kind: "promoted" } as const;
      },
    },
    releases: {
      start: async (call: { onBehalfOf?: string }) => {
        tell(`release ${call.onBehalfOf ?? "control"}`);
        const id = newId("release", clock.now());
        const approvals = { needed: 0, given: [] };
        const release = { id, state: of.releaseState, isSettled: true, reasons: ["so it went"], approvals };
        releases.set(id, release as unknown as Release);
        return release as unknown as Release;
      },
      read: async (_call: unknown, id: string) => releases.get(id) as Release,
      find: async () => [...releases.values()].at(-1),
      rollBack: async (_call: unknown, id: string) => {
        tell("roll-back");
        releases.set(id, { ...(releases.get(id) as Release), state: "rolled_back" });
      },
    },
  };
}

/** Looks until nothing moves any more, and says where it stands. */
export async function settled(id: string): Promise<Retraining> {
  for (let look = 0; look < 12; look++) {
    await controller.round();
    clock.advance(60 * microsPerSecond);
  }
  return readRetraining(deps, lead(), id);
}

/** For a test file, at its top: files share this module, and hooks are of the file that registers them. */
export function openRetrainingWorld(): void {
  beforeAll(async () => {
    db = await openTestDatabase({ migrations: [ledgerMigrations, retrainingMigrations], clock });
  });
  afterAll(() => db.close());
  beforeEach(() => {
    count += 1;
    setUp("production");
  });
}
