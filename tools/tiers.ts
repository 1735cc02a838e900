import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { type CommandResult, runCommand, secondsSince } from "./run-command.ts";

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const nothing: Tally = { passed: 0, failed: 0, skipped: 0 };

export function add(a: Tally, b: Tally): Tally {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/** The line that machines read, alone on its line. */
export function summary({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

export interface Tier {
  /** What the names of its projects in vitest.config.ts begin with. */
  readonly name: string;
  readonly title: string;
  readonly files: readonly string[];
  readonly budgetMinutes: number;
}

export const unitTier: Tier = {
  name: "t0",
  title: "unit tests",
  files: ["packages/*/src/**/*.test.ts", "apps/*/src/**/*.test.ts", "tools/**/*.test.ts"],
  budgetMinutes: 1,
};

export const tiers: readonly Tier[] = [
  {
    name: "t1",
    title: "integration (PGlite, npm PostgreSQL)",
    files: ["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts"],
    budgetMinutes: 12,
  },
  {
    name: "t2",
    title: "services and the whole product",
    files: ["test/services/**/*.test.ts", "test/product/**/*.test.ts"],
    budgetMinutes: 15,
  },
  { name: "t3", title: "foreign clients", files: ["test/clients/**/*.test.ts"], budgetMinutes: 20 },
  { name: "t4", title: "kill and fuzz loops", files: ["test/chaos/**/*.test.ts"], budgetMinutes: 10 },
];

interface JsonReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    /** The file's path. */
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** One line per failed test, or file that did not load: CI repeats them at its end, where a reader of a long log looks. */
export function failuresOf(root: string, tier: string, { testResults }: JsonReport): string[] {
  const line = (file: string, test: string, message = ""): string =>
    `FAILED ${tier} ${relative(root, file)}${test && ` > ${test}`}: ${stripVTControlCharacters(message).split("\n")[0] ?? ""}`;
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === "failed");
    if (failed.length === 0) return status === "failed" ? [line(name, "", message)] : [];
    return failed.map(({ fullName, failureMessages }) => line(name, fullName, failureMessages[0]));
  });
}

/**
 * Counts what vitest reports. A file that does not even load has no tests in it and counts as one failure;
 * so does a run that ends with an error none of its tests owns up to.
 */
export function tallyOf(report: JsonReport | undefined, exitCode: number): Tally {
  if (report === undefined) return { ...nothing, failed: 1 };
  const unloaded = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  ).length;
  const failed = report.numFailedTests + unloaded;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

function readReport(path: string): JsonReport | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as JsonReport;
  } catch {
    return undefined;
  }
}

export interface TierRun {
  readonly tally: Tally;
  readonly output: string;
  readonly time: string;
}

function vitest(root: string, tier: Tier, json: string, live: boolean): Promise<CommandResult> {
  const args = [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--project",
    `${tier.name}*`,
    "--reporter=default",
    "--reporter=json",
  ];
  return runCommand(process.execPath, [...args, `--outputFile.json=${json}`], { cwd: root, live });
}

/** Runs one tier; undefined where it has no test file. */
export async function runTier(
  root: string,
  tier: Tier,
  options: { readonly live: boolean },
): Promise<TierRun | undefined> {
  const files = globSync([...tier.files], { cwd: root, exclude: ["**/node_modules/**"] });
  if (files.length === 0) return undefined;
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "portolan-tier-"));
  try {
    const json = join(folder, "report.json");
    const result = await vitest(root, tier, json, options.live);
    const report = readReport(json);
    for (const failure of report ? failuresOf(root, tier.name, report) : []) console.log(failure);
    return {
      tally: tallyOf(report, result.exitCode),
      output: result.output,
      time: secondsSince(startedAt),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
