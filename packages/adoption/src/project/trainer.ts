import { readFileSync } from "node:fs";
import type { Estimator, Task } from "../estimator.ts";

const template = new URL("../../python/train_template.py", import.meta.url);

/** Where nothing known was found: trees that take rows as they come, holes included. */
const fallback: Estimator = {
  module: "sklearn.ensemble",
  name: "HistGradientBoostingClassifier",
  task: "classification",
  takesSeed: true,
  params: {},
  preparation: [],
};

const metrics: Readonly<Record<Task, string>> = {
  classification: `scores = model.predict_proba(x[cut:])
metrics["validation_log_loss"] = float(log_loss(y[cut:], scores, labels=model.classes_))
if len(model.classes_) == 2 and len(set(y[cut:])) == 2:
    metrics["validation_auc"] = float(roc_auc_score(y[cut:], scores[:, 1]))`,
  regression: `metrics["validation_mean_absolute_error"] = float(mean_absolute_error(y[cut:], model.predict(x[cut:])))`,
};

/** `training/train.py` and `training/params.json` of the new project. */
export function trainerFiles(found: Estimator | undefined): {
  readonly program: string;
  readonly params: string;
} {
  const estimator = found ?? fallback;
  const { module, name, task, takesSeed, preparation } = estimator;
  const params = name === "SVC" ? { ...estimator.params, probability: true } : estimator.params;
  const imports = [...preparation, { module, name }].map((one) => `from ${one.module} import ${one.name}`);
  const seed = takesSeed ? ', random_state=spec["seed"]' : "";
  const steps = [...preparation.map((step) => `${step.name}()`), `${name}(**spec["params"]${seed})`];
  const options = task === "classification" ? 'options={id(model): {"zipmap": False}},' : "";
  const parts: Readonly<Record<string, string>> = {
    "# <imports>": [...new Set(imports)].toSorted().join("\n"),
    "# <model>": `model = make_pipeline(${steps.join(", ")})`,
    "# <metrics>": metrics[task],
    "    # <options>\n": options === "" ? "" : `    ${options}\n`,
  };
  const program = Object.entries(parts).reduce(
    (text, [mark, part]) => text.replace(mark, () => part),
    readFileSync(template, "utf8"),
  );
  return { program: withoutUnusedMetrics(program, task), params: `${JSON.stringify(params, null, 2)}\n` };
}

function withoutUnusedMetrics(program: string, task: Task): string {
  const used = task === "classification" ? "log_loss, roc_auc_score" : "mean_absolute_error";
  return program.replace("import log_loss, mean_absolute_error, roc_auc_score", `import ${used}`);
}
