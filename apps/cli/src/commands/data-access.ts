import { basename, resolve } from "node:path";
import type { DecisionView } from "@portolan/data/contract";
import { readAccessPolicy, runAccessTests, taggedColumns } from "@portolan/data/policy";
import { asEpochMicros, formatInstant, PortolanError, systemClock } from "@portolan/kernel";
import type { Command } from "commander";
import { connect } from "../context.ts";
import { contractFiles, openContract } from "../contract-files.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { readAll, readText, readYaml } from "../project-files.ts";

interface Answer {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly truncated: boolean;
  readonly decision: DecisionView;
  readonly policyDigest: string;
}

/** Reading datasets through the policies on data, and the policies themselves. */
export function registerDataAccess(data: Command, contextOf: ContextOf): void {
  data
    .command("read <rows>")
    .description(
      "Read rows of a dataset, a training set or a scored snapshot as the policies on data allow; each read is on the ledger",
    )
    .requiredOption("--purpose <name>", "what the data are read for")
    .option("--query <sql>", "one query over the relation `data`, which holds what may be read")
    .option("--limit <n>", "rows, up to 10000", "100")
    .addHelpText(
      "after",
      '\nExamples:\n  portolan data read ds_… --purpose readmission\n  portolan data read ds_… --purpose readmission --query "select ward, count(*) as stays from data group by ward" --json',
    )
    .action(
      async (
        id: string,
        { purpose, query, limit }: { purpose: string; query?: string; limit: string },
        command: Command,
      ) => {
        const context = contextOf(command);
        const answer = await (await connect(context)).json<Answer>({
          path: `/v1/datasets/${encodeURIComponent(id)}/reads`,
          body: { purpose, limit: Number(limit), ...(query === undefined ? {} : { query }) },
        });
        const names = Object.keys(answer.rows[0] ?? {});
        const lines = answer.rows.map((row) => names.map((name) => cell(row[name])));
        context.output.result(
          answer,
          [
            answer.rows.length === 0 ? "no row may be read" : table(names, lines),
            ...restrictions(answer.decision),
            ...(answer.truncated ? ["there are more rows: --limit"] : []),
          ].join("\n"),
        );
      },
    );
  const policy = data
    .command("policy")
    .description("Policies on data: who reads which rows and columns, for which purpose")
    .addHelpText("after", "\nExample:\n  portolan data policy test access-tests.yaml");
  registerPublishing(policy, contextOf);
  registerTest(policy, contextOf);
  policy
    .command("explain <dataset>")
    .description(
      "What the policies say of you, a dataset and a purpose; nothing is read (exit code 1 when denied)",
    )
    .requiredOption("--purpose <name>", "what the data would be read for")
    .addHelpText("after", "\nExample:\n  portolan data policy explain ds_… --purpose readmission")
    .action(async (id: string, { purpose }: { purpose: string }, command: Command) => {
      const context = contextOf(command);
      const query = new URLSearchParams({ purpose }).toString();
      const path = `/v1/datasets/${encodeURIComponent(id)}/access?${query}`;
      const decision = await (await connect(context)).json<DecisionView>({ path });
      if (!decision.allowed) process.exitCode = 1;
      context.output.result(decision, decisionText(decision));
    });
}

function registerPublishing(policy: Command, contextOf: ContextOf): void {
  policy
    .command("publish <files...>")
    .description("Put policies in force, each in the place of the one of its name")
    .addHelpText("after", "\nExample:\n  portolan data policy publish access/*.yaml")
    .action(async (files: readonly string[], _options: object, command: Command) => {
      const context = contextOf(command);
      const documents = [];
      for (const file of files) {
        const { text } = await readText(resolve(context.cwd, file));
        documents.push({ name: readAccessPolicy(text, file).name, document: text });
      }
      const api = await connect(context);
      const published: { name: string; digest: string }[] = [];
      for (const { name, document } of documents)
        published.push(
          await api.json({
            path: `/v1/access-policies/${encodeURIComponent(name)}`,
            method: "PUT",
            body: { document },
          }),
        );
      context.output.result({ published }, published.map(({ name }) => `${name} is in force`).join("\n"));
    });
  policy
    .command("withdraw <name>")
    .description("Take a policy out of force")
    .addHelpText("after", "\nExample:\n  portolan data policy withdraw analysts")
    .action(async (name: string, _options: object, command: Command) => {
      const context = contextOf(command);
      await (await connect(context)).json({
        path: `/v1/access-policies/${encodeURIComponent(name)}`,
        method: "DELETE",
      });
      context.output.result({ name }, `${name} is no longer in force`);
    });
  policy
    .command("list")
    .description("Policies in force")
    .addHelpText("after", "\nExample:\n  portolan data policy list --json")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const found = await (await connect(context)).json<{
        policies: readonly { name: string; publishedBy: string; publishedAt: number; digest: string }[];
      }>({ path: "/v1/access-policies" });
      const rows = found.policies.map(({ name, publishedBy, publishedAt, digest }) => [
        name,
        publishedBy,
        formatInstant(asEpochMicros(publishedAt)),
        digest,
      ]);
      context.output.result(found, table(["policy", "published by", "at", "digest"], rows));
    });
}

function registerTest(policy: Command, contextOf: ContextOf): void {
  policy
    .command("test <file>")
    .description(
      "Run expected decisions against policy files, without any server (exit code 1 when one fails)",
    )
    .option("--policies <folder>", "folder with policies, *.yaml", "access")
    .option("--contracts <folder>", "folder with contracts, for cases that state no columns", "contracts")
    .addHelpText("after", "\nExample:\n  portolan data policy test access-tests.yaml --policies access")
    .action(async (file: string, options: { policies: string; contracts: string }, command: Command) => {
      const context = contextOf(command);
      const policies = (await readAll(resolve(context.cwd, options.policies), [".yaml", ".yml"])).map(
        ({ path, text }) => readAccessPolicy(text, basename(path)),
      );
      if (policies.length === 0)
        throw new PortolanError<CliErrorCode>("cli.bad_file", {
          detail: `${options.policies} holds no policy`,
          mend: "Name the folder with --policies: a test against none would prove nothing.",
        });
      const contracts = await contractsIn(resolve(context.cwd, options.contracts));
      const document = await readYaml(
        resolve(context.cwd, file),
        "See docs/data-access.md for the form of a file of cases.",
      );
      const results = runAccessTests(document, policies, (name) => contracts.get(name), systemClock.now());
      const failed = results.filter(({ passed }) => !passed).length;
      if (failed > 0) process.exitCode = 1;
      context.output.result(
        { passed: results.length - failed, failed, results },
        [
          ...results.map(
            ({ name, passed, outcome }) => `${passed ? "ok    " : "FAILED"} ${name}: ${outcome}`,
          ),
          `${results.length - failed} passed, ${failed} failed`,
        ].join("\n"),
      );
    });
}

/** Columns of the contracts of a folder, by their names; none when there is no such folder. */
async function contractsIn(folder: string): Promise<Map<string, ReturnType<typeof taggedColumns>>> {
  const isThere = (await readAll(folder, [".odcs.yaml", ".odcs.yml"])).length > 0;
  const found = new Map<string, ReturnType<typeof taggedColumns>>();
  for (const path of isThere ? await contractFiles(folder, undefined) : []) {
    const { contract } = await openContract(path);
    found.set(contract.id, taggedColumns(contract.columns));
  }
  return found;
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return "-";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function decisionText(decision: DecisionView): string {
  if (!decision.allowed) return `denied: ${decision.reason ?? ""}`;
  const rows = decision.columns.map(({ name, type, mask }) => [
    name,
    type,
    mask ? `${mask.with} (${mask.by})` : "as it is",
  ]);
  return [table(["column", "type", "shown"], rows), ...restrictions(decision)].join("\n");
}

function restrictions({ columns, hidden, rowFilters, minGroup, expires }: DecisionView): string[] {
  return [
    ...columns.flatMap(({ name, mask }) => (mask ? [`${name} is masked: ${mask.with}, by ${mask.by}`] : [])),
    ...hidden.map(({ name, reason }) => `${name} is hidden: ${reason}`),
    ...rowFilters.map(({ expression, by }) => `only rows where ${expression}, by ${by}`),
    ...(minGroup
      ? [
          `only groups of ${minGroup.rows} rows or more over ${minGroup.over.join(", ")}, by ${minGroup.by.join(", ")}`,
        ]
      : []),
    ...(expires === undefined ? [] : [`until ${formatInstant(asEpochMicros(expires))}`]),
  ];
}
