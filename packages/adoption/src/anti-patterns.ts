import type { antiPatternNames } from "./contract.ts";
import type { Evidence } from "./findings.ts";
import { commandsOf, importsAny, methodOf, type Program, seenAt } from "./program.ts";
import { withoutSecrets } from "./secrets.ts";

/**
 * The five operational anti-patterns that keep proofs of concept from production. `found`: there is evidence. `open`: the file says
 * nothing against it, and production needs an answer. `absent`: the file speaks against it.
 */
export interface AntiPattern {
  readonly name: (typeof antiPatternNames)[number];
  readonly verdict: "found" | "open" | "absent";
  readonly evidence: readonly Evidence[];
  readonly answer: string;
}

const webFrameworks = [
  "flask",
  "fastapi",
  "bottle",
  "tornado",
  "sanic",
  "streamlit",
  "gradio",
  "aiohttp.web",
  "starlette",
  "django",
];
const mostEvidence = 10;

/** What an adoption knows beside the program. */
export interface Measured {
  /** p95 of one row on one processor core, in microseconds. */
  readonly p95Micros?: number;
}

/** Judges a program, or without one what only a pickle tells. Pure. */
export function judgeAntiPatterns(program: Program | undefined, measured: Measured = {}): AntiPattern[] {
  return [
    notebookAsApi(program),
    manualPromotion(program),
    featureDivergence(program),
    systemMetricsOnly(program),
    gpuOverProvisioning(program, measured),
  ].map((one) => ({ ...one, evidence: one.evidence.slice(0, mostEvidence) }));
}

function serves(program: Program): Evidence[] {
  const { imports, functions, calls } = program.facts;
  const routes = functions.flatMap(({ at, name, decorators }) =>
    decorators.some((one) => /\.(route|get|post|put|websocket)$/.test(one))
      ? [seenAt(program, at, `${name} answers requests`)]
      : [],
  );
  const runs = calls.flatMap((call) =>
    /^(uvicorn\.run|flask\.Flask\.run|gradio\.\w+\.launch)$/.test(call.name)
      ? [seenAt(program, call.at, `${call.name} starts a server`)]
      : [],
  );
  const frameworks = imports.flatMap(({ at, module }) =>
    webFrameworks.some((one) => module === one || module.startsWith(`${one}.`))
      ? [seenAt(program, at, `import of ${module}`)]
      : [],
  );
  return frameworks.length > 0 ? [...frameworks, ...routes, ...runs] : [];
}

function notebookAsApi(program: Program | undefined): AntiPattern {
  const evidence = program ? serves(program) : [];
  return {
    name: "notebook-as-api",
    verdict: evidence.length > 0 ? "found" : program ? "absent" : "open",
    evidence,
    answer:
      "The gateway answers: ONNX from a signed snapshot, other versions without downtime (docs/serving.md).",
  };
}

const savers =
  /^(pickle|joblib|dill|cloudpickle)\.dump$|\.(save_model|save_weights)$|^torch\.save$|^(keras|tensorflow)\..*\.save$/;
const copiers =
  /(^|\.)(upload_file|upload_fileobj|upload_from_filename|put_object|upload_blob)$|^shutil\.(copy|copy2|copyfile|move|copytree)$|^paramiko\.|SCPClient/;
const copyCommand =
  /\b(scp|rsync|sftp|gsutil\s+cp|aws\s+s3\s+(cp|sync)|kubectl\s+cp|az\s+storage|docker\s+cp)\b/;
const modelFile = /\.(pkl|pickle|joblib|h5|keras|pt|pth|onnx|safetensors)\b/i;
const registering = /(^|\.)(register_model|log_model|create_model_version|create_registered_model)$/;
const numberedByHand =
  /(^|[_\-./])(v\d+|final|latest|new|old|copy|prod)(\d*)([_\-.]|$).*\.(pkl|pickle|joblib|h5|pt|onnx|bin)$/i;

function manualPromotion(program: Program | undefined): AntiPattern {
  const answer =
    "A version is registered, signed and promoted by gates; `portolan model promote` leaves it on the ledger.";
  if (!program) return { name: "manual-promotion", verdict: "open", evidence: [], answer };
  const { calls, texts } = program.facts;
  const saved = calls.filter(({ name }) => savers.test(name));
  const copied = calls
    .filter(({ name }) => copiers.test(name))
    .map((call) => seenAt(program, call.at, `${call.name} copies files`));
  const byShell = [
    ...commandsOf(program).flatMap(({ unit, line, text }) => {
      const command = copyCommand.exec(text)?.[0];
      return command === undefined ? [] : [{ unit, line, saw: `a shell runs ${command}` }];
    }),
    ...texts.flatMap(({ at, value }) => {
      const command = copyCommand.exec(value)?.[0];
      return command === undefined ? [] : [seenAt(program, at, `a text holds the command ${command}`)];
    }),
  ];
  const numbered = texts.flatMap(({ at, value }) =>
    numberedByHand.test(value)
      ? [seenAt(program, at, `a version in a file's name: ${withoutSecrets(value).slice(0, 80)}`)]
      : [],
  );
  const unregistered = calls.some(({ name }) => registering.test(name))
    ? []
    : saved.map((call) => seenAt(program, call.at, `${call.name} leaves a model that no registry knows`));
  // Who copies data promotes nothing by it.
  const hasModel =
    saved.length > 0 ||
    [...texts.map(({ value }) => value), ...commandsOf(program).map(({ text }) => text)].some((text) =>
      modelFile.test(text),
    );
  const evidence = [...(hasModel ? [...copied, ...byShell] : []), ...numbered, ...unregistered];
  return { name: "manual-promotion", verdict: evidence.length > 0 ? "found" : "open", evidence, answer };
}

const featureMethods = new Set([
  "groupby",
  "rolling",
  "expanding",
  "ewm",
  "merge",
  "get_dummies",
  "apply",
  "map",
  "applymap",
  "shift",
  "pivot",
  "pivot_table",
  "cut",
  "qcut",
  "resample",
  "fillna",
  "factorize",
  "cumsum",
  "diff",
  "pct_change",
  "transform",
]);

function featureDivergence(program: Program | undefined): AntiPattern {
  const answer =
    "Feature views are written once and computed by one engine for training and serving (docs/feature-views.md).";
  if (!program) return { name: "feature-divergence", verdict: "open", evidence: [], answer };
  const evidence = program.facts.calls.flatMap((call) =>
    featureMethods.has(methodOf(call)) && /^(pandas|polars|pyspark|dask|\?)(\.|$)/.test(call.name)
      ? [seenAt(program, call.at, `${methodOf(call)} makes a value that serving has to make in the same way`)]
      : [],
  );
  return { name: "feature-divergence", verdict: evidence.length > 0 ? "found" : "absent", evidence, answer };
}

const systemMonitors = ["prometheus_client", "psutil", "pynvml", "GPUtil", "statsd", "datadog"];
const modelMonitors = ["evidently", "whylogs", "alibi_detect", "nannyml", "deepchecks", "frouros"];

function systemMetricsOnly(program: Program | undefined): AntiPattern {
  const answer =
    "Every prediction is on record; drift and, once labels come, performance are counted (docs/drift-reports.md, docs/performance.md).";
  if (!program || importsAny(program, modelMonitors))
    return { name: "system-metrics-only", verdict: program ? "absent" : "open", evidence: [], answer };
  const monitors = program.facts.imports.flatMap(({ at, module }) =>
    systemMonitors.includes(module.split(".")[0] ?? "")
      ? [seenAt(program, at, `${module} watches the machine, and nothing watches the answers`)]
      : [],
  );
  const serving = serves(program);
  const evidence =
    monitors.length > 0
      ? monitors
      : serving.slice(0, 1).map((one) => ({
          ...one,
          saw: "it answers requests, and nothing records or compares the answers",
        }));
  return { name: "system-metrics-only", verdict: evidence.length > 0 ? "found" : "open", evidence, answer };
}

const gpuText = /^(cuda(:\d+)?|gpu|gpu_hist|gpu_id|\/gpu:\d|\/device:GPU:\d)$/i;
/** Below this p95 on one core a GPU buys nothing for single rows: the network takes longer. */
const fastEnoughMicros = 50_000;

function gpuOverProvisioning(program: Program | undefined, { p95Micros }: Measured): AntiPattern {
  const answer =
    "Versions are measured on processors when they are registered; `portolan model quantize` makes networks smaller (docs/quantization.md).";
  const asked = program
    ? [
        ...program.facts.texts.flatMap(({ at, value, name }) =>
          gpuText.test(value) && name !== undefined ? [seenAt(program, at, `${name} is ${value}`)] : [],
        ),
        ...program.facts.calls.flatMap((call) =>
          /(^|\.)cuda$/.test(call.name) ? [seenAt(program, call.at, "the model is moved to a GPU")] : [],
        ),
      ]
    : [];
  const isFast = p95Micros !== undefined && p95Micros < fastEnoughMicros;
  const figure = isFast
    ? [
        {
          unit: "measured",
          saw: `one row takes ${(p95Micros / 1000).toFixed(2)} ms at p95 on one processor core`,
        },
      ]
    : [];
  const needless =
    program !== undefined &&
    asked.length > 0 &&
    !importsAny(program, ["torch", "tensorflow", "jax", "keras"]);
  if (asked.length > 0 && (isFast || needless))
    return { name: "gpu-over-provisioning", verdict: "found", evidence: [...asked, ...figure], answer };
  if (isFast) return { name: "gpu-over-provisioning", verdict: "absent", evidence: figure, answer };
  return {
    name: "gpu-over-provisioning",
    verdict: asked.length > 0 || !program ? "open" : "absent",
    evidence: asked,
    answer,
  };
}
