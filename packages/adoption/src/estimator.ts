import type { PickleFacts } from "./facts.ts";
import { methodOf, type Program } from "./program.ts";

export type Task = "classification" | "regression";

/** An estimator of scikit-learn that a trainer can be written for. Names are of the table below, whatever a file calls itself. */
export interface Estimator {
  readonly module: string;
  readonly name: string;
  readonly task: Task;
  readonly takesSeed: boolean;
  /** Literals that it was made with, without its seed. */
  readonly params: Readonly<Record<string, number | string | boolean>>;
  /** Steps before it that are known too. */
  readonly preparation: readonly { readonly module: string; readonly name: string }[];
}

type Known = Pick<Estimator, "module" | "task" | "takesSeed">;

const both = (module: string, stem: string, takesSeed: boolean): [string, Known][] => [
  [`${stem}Classifier`, { module, task: "classification", takesSeed }],
  [`${stem}Regressor`, { module, task: "regression", takesSeed }],
];

/** Public module, task, and whether it takes `random_state`. */
const estimators = new Map<string, Known>([
  ...both("sklearn.ensemble", "RandomForest", true),
  ...both("sklearn.ensemble", "ExtraTrees", true),
  ...both("sklearn.ensemble", "GradientBoosting", true),
  ...both("sklearn.ensemble", "HistGradientBoosting", true),
  ...both("sklearn.ensemble", "AdaBoost", true),
  ...both("sklearn.tree", "DecisionTree", true),
  ...both("sklearn.neural_network", "MLP", true),
  ...both("sklearn.neighbors", "KNeighbors", false),
  ["SGDClassifier", { module: "sklearn.linear_model", task: "classification", takesSeed: true }],
  ["SGDRegressor", { module: "sklearn.linear_model", task: "regression", takesSeed: true }],
  ["LogisticRegression", { module: "sklearn.linear_model", task: "classification", takesSeed: true }],
  ["LinearRegression", { module: "sklearn.linear_model", task: "regression", takesSeed: false }],
  ["Ridge", { module: "sklearn.linear_model", task: "regression", takesSeed: true }],
  ["Lasso", { module: "sklearn.linear_model", task: "regression", takesSeed: true }],
  ["ElasticNet", { module: "sklearn.linear_model", task: "regression", takesSeed: true }],
  ["GaussianNB", { module: "sklearn.naive_bayes", task: "classification", takesSeed: false }],
  ["SVC", { module: "sklearn.svm", task: "classification", takesSeed: true }],
  ["SVR", { module: "sklearn.svm", task: "regression", takesSeed: false }],
]);
const preparations = new Map<string, string>([
  ["StandardScaler", "sklearn.preprocessing"],
  ["MinMaxScaler", "sklearn.preprocessing"],
  ["RobustScaler", "sklearn.preprocessing"],
  ["MaxAbsScaler", "sklearn.preprocessing"],
  ["SimpleImputer", "sklearn.impute"],
  ["PCA", "sklearn.decomposition"],
]);

const lastOf = (name: string): string => name.split(".").at(-1) ?? "";

/** The estimator of a pickle, or the last one that a program makes. */
export function estimatorOf(
  program: Program | undefined,
  pickle: PickleFacts | undefined,
): Estimator | undefined {
  const opened = pickle?.estimator;
  if (opened) {
    const steps = (opened.steps ?? []).map(([, kind]) => lastOf(kind));
    const known = estimatorNamed(steps.at(-1) ?? lastOf(opened.kind));
    const params = opened.steps ? {} : literals(Object.entries(opened.params ?? {}));
    if (known) return { ...known, params, preparation: preparedBy(steps) };
  }
  const calls = program?.facts.calls.filter(({ name }) => name.startsWith("sklearn.")) ?? [];
  const made = calls.findLast((call) => estimators.has(methodOf(call)));
  const known = made && estimatorNamed(methodOf(made));
  if (!made || !known) return undefined;
  const given = Object.entries(made.keywords).map(([key, { value }]) => [key, value] as const);
  return { ...known, params: literals(given), preparation: preparedBy(calls.map(methodOf)) };
}

function estimatorNamed(name: string): Omit<Estimator, "params" | "preparation"> | undefined {
  const known = estimators.get(name);
  return known && { name, ...known };
}

function preparedBy(names: readonly string[]): Estimator["preparation"] {
  return [...new Set(names)].flatMap((name) => {
    const module = preparations.get(name);
    return module === undefined ? [] : [{ module, name }];
  });
}

/** What is no choice about the model: the seed comes from the run, and the rest speaks of the machine. */
const ofTheRun = new Set(["random_state", "n_jobs", "verbose", "warm_start"]);

function literals(entries: Iterable<readonly [string, unknown]>): Record<string, number | string | boolean> {
  const found: Record<string, number | string | boolean> = {};
  for (const [key, value] of entries) {
    if (/^[a-z]\w{0,60}$/.test(key) && !ofTheRun.has(key) && isLiteral(value)) found[key] = value;
  }
  return found;
}

function isLiteral(value: unknown): value is number | string | boolean {
  if (typeof value === "number") return Number.isFinite(value);
  return typeof value === "boolean" || (typeof value === "string" && /^[\w -]{1,40}$/.test(value));
}
