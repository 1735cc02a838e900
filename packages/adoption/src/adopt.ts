import { fileURLToPath } from "node:url";
import { type AntiPattern, judgeAntiPatterns } from "./anti-patterns.ts";
import { type Estimator, estimatorOf } from "./estimator.ts";
import { type PickleFacts, readSourceFacts, type SourceFacts } from "./facts.ts";
import { type Finding, findingOf } from "./findings.ts";
import type { ProgramSource } from "./notebook.ts";
import type { Conversion, OpenedPickle } from "./pickle.ts";
import type { WalledPrograms } from "./ports.ts";
import { importsAny, type Program } from "./program.ts";
import { type Requirement, requirementsOf } from "./requirements.ts";
import { judgeHygiene } from "./rules/hygiene.ts";
import { judgeLeakage } from "./rules/leakage.ts";
import { judgeRandomness } from "./rules/randomness.ts";

const reader = fileURLToPath(new URL("../python/read_source.py", import.meta.url));
const mostFactsBytes = 64 * 2 ** 20;

/** What a proof of concept is, lacks and needs. */
export interface Adoption {
  readonly kind: "notebook" | "script" | "pickle";
  /** By severity, the worst first. */
  readonly findings: readonly Finding[];
  readonly antiPatterns: readonly AntiPattern[];
  readonly requirements: readonly Pick<Requirement, "name" | "pin">[];
  readonly hardware: readonly string[];
  /** What a trainer is written for; absent: none that is known was found. */
  readonly estimator?: Estimator;
  /** Of a pickle. */
  readonly model?: Pick<PickleFacts, "estimator" | "names" | "refused" | "failure"> & {
    readonly conversion?: Omit<Conversion, "bytes"> & { readonly sizeBytes: number };
  };
}

/**
 * What Python's own parser says of a program. Nothing of it is run.
 *
 * @throws PortolanError `adoption.reading_failed` where the parser died of it
 */
export function parseProgram(programs: WalledPrograms, source: ProgramSource): Promise<SourceFacts> {
  const units = source.units.map(({ name, text }) => ({ name, text }));
  const task = {
    program: reader,
    input: { text: JSON.stringify(units) },
    params: {},
    needs: "bare",
  } as const;
  return programs.run(task, async (output) => {
    const bytes = await output.read("facts.json", mostFactsBytes);
    return readSourceFacts(new TextDecoder().decode(bytes ?? new Uint8Array()));
  });
}

/** Judges a program. Pure. */
export function adoptProgram(program: Program): Adoption {
  const estimator = estimatorOf(program, undefined);
  return {
    kind: program.source.kind,
    findings: bySeverity([...judgeHygiene(program), ...judgeRandomness(program), ...judgeLeakage(program)]),
    antiPatterns: judgeAntiPatterns(program),
    requirements: requirementsOf(program).map(({ name, pin }) => ({ name, ...(pin ? { pin } : {}) })),
    hardware: hardwareOfProgram(program),
    ...(estimator ? { estimator } : {}),
  };
}

/** Judges an opened pickle. Pure. @param sizeBytes of the file */
export function adoptPickle({ facts, conversion }: OpenedPickle, sizeBytes: number): Adoption {
  const estimator = estimatorOf(undefined, facts);
  const { bytes, ...told } = conversion ?? { bytes: new Uint8Array() };
  const p95Micros = conversion?.latency?.p95Micros;
  return {
    kind: "pickle",
    findings: bySeverity(judgePickle(facts, conversion)),
    antiPatterns: judgeAntiPatterns(undefined, p95Micros === undefined ? {} : { p95Micros }),
    requirements: [],
    hardware: hardwareOfModel(sizeBytes, conversion),
    ...(estimator ? { estimator } : {}),
    model: {
      names: facts.names,
      refused: facts.refused,
      ...(facts.estimator ? { estimator: facts.estimator } : {}),
      ...(facts.failure ? { failure: facts.failure } : {}),
      ...("digest" in told ? { conversion: { ...told, sizeBytes: bytes.length } } : {}),
    },
  };
}

function judgePickle(facts: PickleFacts, conversion: Conversion | undefined): Finding[] {
  const at = (saw: string) => ({ unit: "pickle", saw });
  const { agreement } = conversion ?? {};
  return [
    ...findingOf(
      {
        rule: "pickle-code",
        severity: "blocker",
        title: "The pickle names code that no estimator needs",
        mend: "Ask where it comes from. Train again from the program, or open it behind the same walls with --allow-code.",
      },
      facts.refused.map(at),
    ),
    ...findingOf(
      {
        rule: "pickle-version",
        severity: "gap",
        title: "The libraries here differ from those that wrote the pickle",
        mend: "Name a lock file of the versions that wrote it: --lock requirements-3.N.lock.",
      },
      (facts.warnings ?? []).map(at),
    ),
    ...findingOf(
      {
        rule: "not-converted",
        severity: "gap",
        title: "It did not become ONNX",
        mend: "Train again with the written trainer, or name a lock file of the libraries that it needs: --lock requirements-3.N.lock.",
      },
      facts.failure ? [at(facts.failure.message)] : [],
    ),
    ...findingOf(
      {
        rule: "conversion-differs",
        severity: "blocker",
        title: "The converted model says something else than the estimator",
        mend: "Do not serve it: train again with the written trainer and compare on held-out rows.",
      },
      agreement && !agreement.agrees
        ? [at(`${agreement.rows} rows, largest difference ${agreement.largestDifference}`)]
        : [],
    ),
  ];
}

const order = ["blocker", "gap", "hint"];

function bySeverity(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

const accelerated = ["torch", "tensorflow", "jax", "keras", "cupy", "cudf", "cuml"];
const large = ["transformers", "diffusers", "vllm"];

function hardwareOfProgram(program: Program): string[] {
  if (importsAny(program, large))
    return [
      "Large pretrained models: serve them by an upstream with GPUs (docs/upstreams.md); none is measured here.",
    ];
  if (importsAny(program, accelerated))
    return [
      "A deep-learning library: training may want a GPU. Whether serving does is measured on a processor first, once there is ONNX.",
    ];
  return ["Nothing in the program asks for more than processors."];
}

function hardwareOfModel(sizeBytes: number, conversion: Conversion | undefined): string[] {
  const pickle = `The pickle is ${megabytes(sizeBytes)}.`;
  if (!conversion) return [pickle, "No latency is known: it was not converted."];
  const onnx = `Converted it is ${megabytes(conversion.bytes.length)} of ONNX.`;
  const { latency } = conversion;
  if (!latency) return [pickle, onnx, `No latency is known: ${conversion.untried ?? "it was not run"}.`];
  return [
    pickle,
    onnx,
    `One row takes ${(latency.p50Micros / 1000).toFixed(2)} ms at p50 and ${(latency.p95Micros / 1000).toFixed(2)} ms at p95 on one processor core here (${latency.runs} runs, the way to another process and back included).`,
  ];
}

function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
