import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, extname, resolve } from "node:path";
import {
  type ColumnAction,
  type ColumnPlan,
  columnActions,
  type DeidentifyReport,
  type DeidentifyRequest,
  deidentify,
  planDeidentification,
} from "@portolan/data";
import { createDuckDbEngine } from "@portolan/duckdb";
import { formatInstant, PortolanError, systemClock } from "@portolan/kernel";
import type { Command } from "commander";
import { openContract } from "../contract-files.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

interface Options {
  readonly out?: string;
  readonly keyFile?: string;
  readonly purpose?: string;
  readonly contract?: string;
  readonly subject?: string;
  readonly rule?: readonly string[];
  readonly quasi?: readonly string[];
  readonly minGroup: string;
  readonly plan?: boolean;
}

const leastKeyBytes = 16;

export function registerDeidentify(data: Command, contextOf: ContextOf): void {
  data
    .command("deidentify <file>")
    .description(
      "Take out of a Parquet or CSV file what names people, by the rules of HIPAA's Safe Harbor, and report k-anonymity; needs no server (exit code 1 when a removed value is still in the result)",
    )
    .option("--out <file>", "the Parquet file to write")
    .option("--key-file <file>", "secret of the pseudonyms, 16 bytes or more; kept away from the data")
    .option("--purpose <text>", "what the data is for: pseudonyms for two purposes cannot be joined")
    .option("--contract <file>", "its data contract: classifications of columns count")
    .option(
      "--subject <column>",
      "column (or place in one: record.id) that names the person: replaced by a pseudonym instead of dropped",
    )
    .option(
      "--rule <column=action...>",
      `decide about a column, or a place in one (record.visits[].date), yourself: ${columnActions.join(", ")}`,
    )
    .option(
      "--quasi <columns...>",
      "quasi-identifiers (default: what was coarsened, and what its name calls one)",
    )
    .option("--min-group <n>", "leave out rows of smaller groups of quasi-identifiers", "1")
    .option("--plan", "show what would become of each column, and write nothing")
    .addHelpText(
      "after",
      "\nObjects and arrays (JSON, structs, lists) are judged at each place in them; what cannot be looked into is dropped.\nNames in free text are not found: such columns are dropped unless a rule says `redact`, which takes out what has a known form.\n\nExamples:\n  portolan data deidentify patients.parquet --plan\n  portolan data deidentify patients.csv --subject patient_id --key-file pseudonyms.key --purpose readmission --min-group 5 --out research.parquet",
    )
    .action(async (file: string, options: Options, command: Command) => {
      const context = contextOf(command);
      const engine = createDuckDbEngine();
      const out = options.out === undefined ? undefined : resolve(context.cwd, options.out);
      // Beside the result: it gets its name by a rename.
      const place = out === undefined || options.plan ? tmpdir() : dirname(out);
      const workFolder = await mkdtemp(`${place}/.portolan-deidentify-`).catch(() => {
        throw usage(
          `${place} is no folder that can be written to`,
          "Make it first, or name another file with --out.",
        );
      });
      try {
        const request = await requestOf(context.cwd, file, options, workFolder);
        if (options.plan) {
          const columns = await planDeidentification(engine, request);
          context.output.result({ columns }, planText(columns));
          return;
        }
        if (out === undefined || options.keyFile === undefined || options.purpose === undefined)
          throw usage(
            "--out, --key-file and --purpose are needed",
            "Or look first: --plan writes nothing and needs none of them.",
          );
        const report = await deidentify(engine, request, out);
        if (report.leaks.length > 0) process.exitCode = 1;
        context.output.result({ out, ...report }, reportText(out, report));
      } finally {
        await rm(workFolder, { recursive: true, force: true });
      }
    });
}

async function requestOf(
  cwd: string,
  name: string,
  options: Options,
  workFolder: string,
): Promise<DeidentifyRequest> {
  const file = resolve(cwd, name);
  const format = extname(file).slice(1).toLowerCase();
  if (format !== "parquet" && format !== "csv")
    throw usage(`${name} is neither .parquet nor .csv`, "Write the data as one of them.");
  const contract =
    options.contract === undefined ? undefined : await openContract(resolve(cwd, options.contract));
  const leastGroup = Number(options.minGroup);
  if (!Number.isInteger(leastGroup) || leastGroup < 1)
    throw usage(`--min-group ${options.minGroup} is no whole number from 1 on`, "Write e.g. --min-group 5.");
  return {
    file,
    format,
    classifications: Object.fromEntries(
      (contract?.contract.columns ?? []).flatMap(({ source, classification }) =>
        classification === undefined ? [] : [[source, classification]],
      ),
    ),
    key: options.keyFile === undefined ? new Uint8Array() : await readKey(resolve(cwd, options.keyFile)),
    purpose: options.purpose ?? "",
    rules: rulesOf(options.rule ?? []),
    ...(options.subject === undefined ? {} : { subject: options.subject }),
    ...(options.quasi === undefined ? {} : { quasi: options.quasi }),
    leastGroup,
    thisYear: Number(formatInstant(systemClock.now()).slice(0, 4)),
    workFolder,
  };
}

async function readKey(path: string): Promise<Uint8Array> {
  const key = await readFile(path).catch(() => {
    throw usage(`${path} cannot be read`, "Make one: `head -c 32 /dev/urandom > pseudonyms.key`.");
  });
  if (key.length < leastKeyBytes)
    throw usage(
      `the key has ${key.length} bytes`,
      `Use ${leastKeyBytes} random ones or more: a short key is found by trying.`,
    );
  return key;
}

function rulesOf(texts: readonly string[]): Record<string, ColumnAction> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.lastIndexOf("=");
      const action = columnActions.find((one) => one === text.slice(at + 1));
      if (at < 1 || action === undefined)
        throw usage(`${text} is no rule`, `Write column=action, with one of ${columnActions.join(", ")}.`);
      return [text.slice(0, at), action];
    }),
  );
}

function planText(columns: readonly ColumnPlan[]): string {
  return table(
    ["column", "becomes", "164.514(b)(2)(i)", "because"],
    columns.map(({ column, action, paragraph = "", because, warning }) => [
      column,
      action,
      paragraph,
      warning === undefined ? because : `${because} (${warning})`,
    ]),
  );
}

function reportText(out: string, report: DeidentifyReport): string {
  const { before, after, rows, suppressed, leaks, warnings } = report;
  const groupsOf = ({ quasi, k = 0, unique, exposed, least }: DeidentifyReport["after"]): string =>
    `k = ${k} over ${quasi.length === 0 ? "no column" : quasi.join(", ")}; ${unique} rows alone, ${exposed} in groups below ${least}`;
  return [
    planText(report.columns),
    "",
    `${rows - suppressed} of ${rows} rows in ${out}${suppressed > 0 ? `; ${suppressed} left out: their groups were too small` : ""}`,
    `before: ${groupsOf(before)}`,
    `after:  ${groupsOf(after)}`,
    leaks.length === 0
      ? "search: no value of a removed column is in the result"
      : `search: VALUES OF REMOVED COLUMNS ARE IN THE RESULT: ${leaks.map(({ column, values }) => `${values} of ${column}`).join(", ")}`,
    ...warnings.map((warning) => `not Safe Harbor: ${warning}`),
    "Not found by any rule: names in columns that are not called so, and whatever else identifies somebody to whom other data is known.",
  ].join("\n");
}

function usage(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_usage", { detail, mend });
}
