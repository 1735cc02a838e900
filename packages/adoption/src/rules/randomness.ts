import type { SourceCall } from "../facts.ts";
import { type Evidence, type Finding, findingOf } from "../findings.ts";
import { methodOf, type Program, seenAt } from "../program.ts";

/** Of scikit-learn and its kin: what draws numbers unless `random_state` is given. */
const drawing = new Set([
  "train_test_split",
  "RandomForestClassifier",
  "RandomForestRegressor",
  "ExtraTreesClassifier",
  "ExtraTreesRegressor",
  "GradientBoostingClassifier",
  "GradientBoostingRegressor",
  "HistGradientBoostingClassifier",
  "HistGradientBoostingRegressor",
  "DecisionTreeClassifier",
  "DecisionTreeRegressor",
  "BaggingClassifier",
  "BaggingRegressor",
  "AdaBoostClassifier",
  "AdaBoostRegressor",
  "IsolationForest",
  "MLPClassifier",
  "MLPRegressor",
  "SGDClassifier",
  "SGDRegressor",
  "KMeans",
  "MiniBatchKMeans",
  "RandomizedSearchCV",
  "ShuffleSplit",
  "StratifiedShuffleSplit",
  "SMOTE",
  "RandomOverSampler",
  "RandomUnderSampler",
  "TSNE",
]);
/** Of pandas. */
const sampling = new Set(["sample"]);
/** These draw only when they shuffle. */
const folding = new Set(["KFold", "StratifiedKFold"]);
const seeds = ["random_state", "seed"];

/** Modules with a generator of their own, how it is seeded, and their functions that draw nothing. */
const generators = [
  {
    module: "numpy.random",
    seed: "numpy.random.seed",
    still: ["seed", "default_rng", "Generator", "RandomState", "get_state", "set_state"],
  },
  { module: "random", seed: "random.seed", still: ["seed", "Random", "getstate", "setstate"] },
  { module: "torch", seed: "torch.manual_seed", only: ["rand", "randn", "randint", "randperm"] },
] as const;

/** Randomness that nobody can repeat. */
export function judgeRandomness(program: Program): readonly Finding[] {
  const { calls } = program.facts;
  const seedless = (call: SourceCall): boolean =>
    !seeds.some((seed) => call.keywords[seed] !== undefined && call.keywords[seed].value !== null);
  const evidence: Evidence[] = calls.flatMap((call) => {
    const method = methodOf(call);
    const shuffles = folding.has(method) && call.keywords["shuffle"]?.value === true;
    if (
      (drawing.has(method) || shuffles || (sampling.has(method) && /^(pandas|\?)/.test(call.name))) &&
      seedless(call)
    )
      return [seenAt(program, call.at, `${method} without random_state`)];
    if (call.name === "numpy.random.default_rng" && call.args.length === 0 && seedless(call))
      return [seenAt(program, call.at, "default_rng without a seed")];
    return [];
  });
  const unseeded = generators.flatMap((generator) => {
    if (calls.some(({ name }) => name === generator.seed)) return [];
    const first = calls.find(({ name }) => {
      const [method, ...rest] = name.startsWith(`${generator.module}.`)
        ? name.slice(generator.module.length + 1).split(".")
        : [];
      if (method === undefined || rest.length > 0) return false;
      return "only" in generator
        ? generator.only.some((one) => one === method)
        : !generator.still.some((one) => one === method);
    });
    return first ? [seenAt(program, first.at, `${first.name}, and ${generator.seed} is never called`)] : [];
  });
  return findingOf(
    {
      rule: "unseeded-randomness",
      severity: "gap",
      title: "Random numbers without a seed",
      mend: "Give the seed of PORTOLAN_PARAMS to everything that draws: the same run then gives the same model.",
    },
    [...evidence, ...unseeded],
  );
}
