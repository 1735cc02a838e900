import { PortolanError, type Violation } from "@portolan/kernel";
import type { KeyValue, MetricPoint } from "./contract.ts";
import type { TrackingErrorCode } from "./errors.ts";
import { ownPrefix } from "./run-tags.ts";

/** MLflow's limits (`mlflow/utils/validation.py`). Longer values are refused: cut ones would be silently false evidence. */
export const limits = {
  metricsPerBatch: 1_000,
  paramsPerBatch: 100,
  tagsPerBatch: 100,
  entitiesPerBatch: 1_000,
  keyLength: 250,
  paramLength: 6_000,
  tagLength: 8_000,
  requestBytes: 2 ** 20,
  /** Ours, since a trainer is other people's code: all requests of one run together. */
  runBytes: 256 * 2 ** 20,
  /** Distinct keys of one run, and data sets and models that it read: whoever reads the run gets all of them in one answer. */
  runKeys: { params: 2_000, tags: 1_000, latest_metrics: 10_000, inputs: 32, model_inputs: 100 },
  /** What a request counts as at least: it takes a row of the ledger, which is kept for good. */
  leastBytes: 1024,
} as const;

/** What one request logs. */
export interface Batch {
  readonly metrics: readonly MetricPoint[];
  readonly params: readonly KeyValue[];
  readonly tags: readonly KeyValue[];
}

/**
 * Judges names, lengths and counts of a batch by MLflow's rules. Pure.
 *
 * @throws PortolanError `tracking.invalid_value` with every violation and its place.
 */
export function checkBatch({ metrics, params, tags }: Batch): void {
  const violations = [
    ...countViolations({ metrics, params, tags }),
    ...metricKeyViolations(metrics),
    ...params.flatMap((param, i) => textViolations(param, `/params/${i}`, limits.paramLength)),
    ...tags.flatMap((tag, i) => textViolations(tag, `/tags/${i}`, limits.tagLength)),
    ...tags.flatMap(({ key }, i) => ownTagViolations(key, `/tags/${i}/key`)),
    ...twiceNamed(params),
  ];
  refuse(violations);
}

/** @throws PortolanError `tracking.invalid_value` unless there are none. */
export function refuse(violations: readonly Violation[]): void {
  const [first] = violations;
  if (first === undefined) return;
  const others = violations.length === 1 ? "" : ` (and ${violations.length - 1} more)`;
  throw new PortolanError<TrackingErrorCode>("tracking.invalid_value", {
    detail: `${first.at?.pointer ?? "/"}: ${first.detail}${others}`,
    ...(first.mend === undefined ? {} : { mend: first.mend }),
    violations,
  });
}

function countViolations({ metrics, params, tags }: Batch): Violation[] {
  const counts = [
    { name: "metrics", count: metrics.length, most: limits.metricsPerBatch },
    { name: "params", count: params.length, most: limits.paramsPerBatch },
    { name: "tags", count: tags.length, most: limits.tagsPerBatch },
    {
      name: "",
      count: metrics.length + params.length + tags.length,
      most: limits.entitiesPerBatch,
    },
  ];
  return counts
    .filter(({ count, most }) => count > most)
    .map(({ name, count, most }) => ({
      detail: `a batch holds at most ${most} ${name || "metrics, params and tags together"}; this one holds ${count}`,
      mend: "Send several batches.",
      at: { pointer: `/${name}` },
    }));
}

const keyForm = /^[\p{L}\p{M}\p{N}\p{Pc}/.\- :]+$/u;

/** Letters, digits and `_ - . : / blank`, and a path that is its own shortest form: clients lay metrics out as files. */
export function keyViolations(key: string, pointer: string): Violation[] {
  const at = { pointer };
  if (key.length > limits.keyLength)
    return [{ detail: `a key has at most ${limits.keyLength} characters, not ${key.length}`, at }];
  if (!keyForm.test(key))
    return [
      {
        detail: `${JSON.stringify(key)} is no key`,
        mend: "Use letters, digits and _ - . : / and blanks.",
        at,
      },
    ];
  if (key.split("/").some((part) => part === "" || part === "." || part === ".."))
    return [
      { detail: `${JSON.stringify(key)} is no plain path`, mend: "Leave out empty parts, . and ..", at },
    ];
  return [];
}

/** A thousand points have few different keys: each is judged once, where it comes first. */
function metricKeyViolations(metrics: Batch["metrics"]): Violation[] {
  const judged = new Set<string>();
  return metrics.flatMap(({ key }, i) => {
    if (judged.has(key)) return [];
    judged.add(key);
    return keyViolations(key, `/metrics/${i}/key`);
  });
}

function textViolations({ key, value }: KeyValue, pointer: string, most: number): Violation[] {
  const tooLong =
    value.length > most
      ? [
          {
            detail: `the value of ${JSON.stringify(key)} has ${value.length} characters, at most ${most} are kept`,
            mend: "Log a shorter value, or the digest of it.",
            at: { pointer: `${pointer}/value` },
          },
        ]
      : [];
  return [...keyViolations(key, `${pointer}/key`), ...tooLong];
}

/** What we say of a run nobody else does. */
export function ownTagViolations(key: string, pointer: string): Violation[] {
  if (!key.startsWith(ownPrefix)) return [];
  const detail = `tags that begin with ${ownPrefix} are set by the platform alone, not ${JSON.stringify(key)}`;
  return [{ detail, mend: "Choose another name.", at: { pointer } }];
}

/** A parameter is one value for the whole run: twice in one batch there is no first one. */
function twiceNamed(params: readonly KeyValue[]): Violation[] {
  const seen = new Map<string, string>();
  return params.flatMap(({ key, value }, i) => {
    const before = seen.get(key);
    seen.set(key, value);
    return before === undefined || before === value
      ? []
      : [{ detail: `the parameter ${JSON.stringify(key)} has two values`, at: { pointer: `/params/${i}` } }];
  });
}
