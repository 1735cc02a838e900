import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, extname, join, resolve } from "node:path";
import { type ContractTrial, type SourceFormat, type TrialReport, tryContract } from "@portolan/data";
import type { DataContract } from "@portolan/data/contract";
import {
  adviseContract,
  type ContractDiff,
  contractDigest,
  diffContracts,
  readContract,
} from "@portolan/data/policy";
import { createDuckDbEngine } from "@portolan/duckdb";
import { isPortolanError, PortolanError, parseInstant, systemClock, type Violation } from "@portolan/kernel";
import type { Command } from "commander";
import { connect } from "../context.ts";
import { type ContractFile, contractFiles, contractsBeside, openContract } from "../contract-files.ts";
import type { CliErrorCode } from "../errors.ts";
import { errorText, table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { registerPublishedContracts } from "./contract-published.ts";

export function registerContractCommands(program: Command, contextOf: ContextOf): void {
  const contract = program
    .command("contract")
    .description(
      "Check data contracts, try them on files, compare their versions, and see those that are published",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  portolan contract lint contracts/\n  portolan contract test contracts/flights.odcs.yaml --data flights.parquet",
    );
  registerLint(contract, contextOf);
  registerTest(contract, contextOf);
  registerDiff(contract, contextOf);
  registerPublishedContracts(contract, contextOf);
}

interface LintResult {
  readonly file: string;
  readonly valid: boolean;
  readonly id?: string;
  readonly version?: string;
  readonly digest?: string;
  readonly violations: readonly Violation[];
  readonly advice: readonly string[];
}

interface LintOptions {
  readonly strict?: boolean;
  readonly with?: readonly string[];
}

function registerLint(contract: Command, contextOf: ContextOf): void {
  contract
    .command("lint [fileOrFolder]")
    .description(
      "Check Open Data Contract Standard v3.1.0 files: every error with its line and its mend (exit code 1 when there is one)",
    )
    .option("--strict", "count advice as errors")
    .option("--with <filesOrFolders...>", "contracts elsewhere that relationships may name")
    .addHelpText(
      "after",
      "\nTables that a contract refers to (*.csv) are looked for beside it and in the folder above; contracts that its relationships name, beside it.\n\nExamples:\n  portolan contract lint contracts/flights.odcs.yaml\n  portolan contract lint --with ../shared/contracts --json",
    )
    .action(async (target: string | undefined, options: LintOptions, command: Command) => {
      const context = contextOf(command);
      const files = await contractFiles(context.cwd, target);
      const more = (options.with ?? []).map((path) => resolve(context.cwd, path));
      const results = await Promise.all(files.map((file) => lintFile(file, more)));
      const valid = results.every((one) => one.valid && !(options.strict && one.advice.length > 0));
      if (!valid) process.exitCode = 1;
      context.output.result({ valid, contracts: results }, results.map(lintText).join("\n"));
    });
}

async function lintFile(path: string, more: readonly string[]): Promise<LintResult> {
  try {
    const others = await contractsBeside(path, more);
    const { contract } = await openContract(
      path,
      new Map(others.map((one) => [one.contract.id, one.contract])),
    );
    return {
      file: path,
      valid: true,
      id: contract.id,
      version: contract.version,
      digest: contractDigest(contract),
      violations: [],
      advice: adviseContract(contract),
    };
  } catch (error) {
    if (!isPortolanError(error) || error.code !== "data.contract_invalid") throw error;
    const { violations, detail, mend, at } = error;
    const only = { detail: detail ?? error.code, ...(mend ? { mend } : {}), ...(at ? { at } : {}) };
    return { file: path, valid: false, violations: violations.length > 0 ? violations : [only], advice: [] };
  }
}

function lintText(result: LintResult): string {
  if (!result.valid) {
    const error = new PortolanError("data.contract_invalid", {
      detail: `${result.file} is no valid contract`,
      violations: result.violations,
    });
    return errorText(error);
  }
  return [
    `${result.file}: ${result.id ?? ""} ${result.version ?? ""} is valid (${result.digest ?? ""})`,
    ...result.advice.map((line) => `  advice: ${line}`),
  ].join("\n");
}

interface TestOptions {
  readonly data: readonly string[];
  readonly counterpart?: readonly string[];
  readonly asOf?: string;
  readonly rows: string;
}

function registerTest(contract: Command, contextOf: ContextOf): void {
  contract
    .command("test <file>")
    .description(
      "Try a contract on files as one batch: what an ingestion would accept, keep out and refuse (exit code 1 when it would publish nothing)",
    )
    .requiredOption("--data <files...>", "Parquet, CSV or JSONL files")
    .option(
      "--counterpart <contract=file...>",
      "rows that relationships refer to, of a contract beside this one: wards=wards.csv",
    )
    .option("--as-of <instant>", "when freshness is judged, RFC 3339 (default: now)")
    .option("--rows <n>", "how many bad rows to show", "5")
    .addHelpText(
      "after",
      "\nNothing is stored. Delimiter and quotes of CSV are found by the header and the contract.\n\nExample:\n  portolan contract test contracts/flights.odcs.yaml --data planted-rows.csv --rows 20 --json\n  portolan contract test contracts/stays.odcs.yaml --data stays.csv --counterpart wards=wards.csv",
    )
    .action(async (file: string, options: TestOptions, command: Command) => {
      const context = contextOf(command);
      const path = resolve(context.cwd, file);
      const opened = await openContract(path);
      const asOf = options.asOf === undefined ? systemClock.now() : parseInstant(options.asOf);
      const counterparts = await counterpartsOf(context.cwd, path, options.counterpart ?? []);
      const report = await tryFiles(opened, {
        counterparts,
        paths: options.data.map((path) => resolve(context.cwd, path)),
        asOf,
        shown: parseRows(options.rows),
      });
      if (!report.passed) process.exitCode = 1;
      context.output.result(report, trialText(report));
    });
}

/** Files of `contract=file`, by the contracts beside the one that is tried. */
async function counterpartsOf(
  cwd: string,
  path: string,
  named: readonly string[],
): Promise<NonNullable<ContractTrial["counterparts"]>> {
  if (named.length === 0) return [];
  const others = await contractsBeside(path);
  const files = Map.groupBy(named, (one) => one.slice(0, Math.max(one.indexOf("="), 0)));
  return [...files].map(([id, ones]) => {
    const other = others.find(({ contract }) => contract.id === id);
    if (!other)
      throw new PortolanError<CliErrorCode>("cli.bad_usage", {
        detail: `--counterpart ${ones[0] ?? ""} names no contract that lies beside ${basename(path)}`,
        mend: `Write contract=file; the contracts there are ${others.map(({ contract }) => contract.id).join(", ")}.`,
      });
    const paths = ones.map((one) => resolve(cwd, one.slice(id.length + 1)));
    return {
      contract: other.contract,
      references: other.tables,
      sources: paths.map((file) => ({ path: file, format: formatOf(file) })),
    };
  });
}

async function tryFiles(
  { contract, tables }: ContractFile,
  options: {
    readonly paths: readonly string[];
    readonly counterparts: NonNullable<ContractTrial["counterparts"]>;
    readonly asOf: number;
    readonly shown: number;
  },
): Promise<TrialReport> {
  const workFolder = await mkdtemp(join(tmpdir(), "portolan-contract-"));
  try {
    return await tryContract(createDuckDbEngine(), {
      contract,
      sources: options.paths.map((path) => ({ path, format: formatOf(path) })),
      references: tables,
      counterparts: options.counterparts,
      workFolder,
      asOf: options.asOf,
      shown: options.shown,
    });
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

function formatOf(path: string): SourceFormat {
  const format = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
  }[extname(path).toLowerCase()];
  if (format === "parquet" || format === "csv" || format === "jsonl") return format;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `${basename(path)} has an ending that says no format`,
    mend: "Name it .parquet, .csv, .tsv, .jsonl or .ndjson.",
  });
}

function parseRows(text: string): number {
  const rows = Number(text);
  if (Number.isInteger(rows) && rows >= 0 && rows <= 1000) return rows;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `--rows ${text.slice(0, 20)} is no number from 0 to 1000`,
  });
}

function trialText(report: TrialReport): string {
  const { counts, rules = {}, drift } = report;
  const lines: string[] = [];
  if (counts)
    lines.push(
      `${counts.accepted} accepted, ${counts.quarantined} quarantined, ${counts.deadLetters} dead letters`,
    );
  if (Object.keys(rules).length > 0)
    lines.push(
      table(
        ["broken rule", "rows"],
        Object.entries(rules).map(([name, rows]) => [name, String(rows)]),
      ),
    );
  for (const row of report.quarantined ?? [])
    lines.push(`row ${row.row} breaks ${row.violations.join(", ")}: ${JSON.stringify(row.raw)}`);
  for (const letter of report.deadLetters ?? [])
    lines.push(`${letter.file}, line ${letter.line}: ${letter.error.split("\n")[0] ?? ""}`);
  if (drift.added.length > 0)
    lines.push(`columns that the contract does not know: ${drift.added.join(", ")}`);
  if (drift.missing.length > 0) lines.push(`columns that are not there: ${drift.missing.join(", ")}`);
  for (const warning of report.warnings) lines.push(`warning: ${warning}`);
  for (const failure of report.failures) lines.push(`refused: ${failure}`);
  lines.push(report.passed ? "the batch would be published" : "the batch would publish nothing");
  return lines.join("\n");
}

/** What the server says of a version: the digests are those of the tables that were published with it. */
type PublishedContract = Pick<DataContract, "version" | "references"> & { readonly document: string };

function registerDiff(contract: Command, contextOf: ContextOf): void {
  contract
    .command("diff <before> [after]")
    .description(
      "What changed between two versions, breaking or compatible, and why; with one file: against the newest version on the server (exit code 1 when something breaks)",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  portolan contract diff flights-1.odcs.yaml flights-2.odcs.yaml\n  portolan contract diff contracts/flights.odcs.yaml --json",
    )
    .action(async (before: string, after: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const file = await openContract(resolve(context.cwd, after ?? before));
      const old =
        after === undefined
          ? await (await connect(context)).json<PublishedContract>({
              path: `/v1/contracts/${file.contract.id}`,
            })
          : undefined;
      const was = old
        ? readContract(old.document, `${file.contract.id} ${old.version}`, old.references)
        : (await openContract(resolve(context.cwd, before))).contract;
      const diff = diffContracts(was, file.contract);
      if (diff.breaking) process.exitCode = 1;
      context.output.result(diff, diffText(diff, file.contract.version));
    });
}

function diffText({ changes, demands, versioned }: ContractDiff, version: string): string {
  if (changes.length === 0) return "no difference";
  const value = (side: unknown): string => (side === undefined ? "absent" : JSON.stringify(side));
  return [
    ...changes.map(
      (change) =>
        `${change.kind}  ${change.path}: ${value(change.before)} -> ${value(change.after)}\n    ${change.reason}${change.affects === "nobody" ? "" : ` (${change.affects})`}`,
    ),
    `these changes are a ${demands} version${versioned === false ? `; ${version} does not say so` : ""}`,
  ].join("\n");
}
