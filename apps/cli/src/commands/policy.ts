import { access } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { PortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import { type CliContext, connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { readAll, readYaml } from "../project-files.ts";

export function registerPolicyCommands(program: Command, contextOf: ContextOf): void {
  const policy = program
    .command("policy")
    .description("An organisation's own authorization policies")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan policy test policy-tests.yaml\n  portolan policy replace --policies policies --as admin",
    );
  registerList(policy, contextOf);
  registerReplace(policy, contextOf);
  policy
    .command("test <file>")
    .description(
      "Run expected decisions against the built-in and your own policies, without any server (exit code 1 when one fails)",
    )
    .option("--policies <folder>", "folder with *.cedar files (default: policies here, when there is one)")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan policy test policy-tests.yaml\n  portolan policy test tests.yaml --policies ../policies --json",
    )
    .action(async (file: string, options: { policies?: string }, command: Command) => {
      const context = contextOf(command);
      const document = await readYaml(
        resolve(context.cwd, file),
        "See docs/policies.md for the form of a policy test file.",
      );
      const policies = await readPolicies(context, options.policies);
      // Loaded here and not above: the policy engine is WebAssembly, which other commands need not wait for.
      const { runPolicyTests } = await import("@portolan/identity");
      const results = runPolicyTests(document, policies);
      const failed = results.filter((result) => !result.passed).length;
      if (failed > 0) process.exitCode = 1;
      context.output.result(
        { passed: results.length - failed, failed, policyFiles: policies.map(({ name }) => name), results },
        [
          ...results.map(
            (result) => `${result.passed ? "ok    " : "FAILED"} ${result.name}: ${result.outcome}`,
          ),
          `${results.length - failed} passed, ${failed} failed, with ${policies.length} policy files of your own`,
        ].join("\n"),
      );
    });
}

interface PolicySet {
  readonly version: number;
  readonly files: readonly { readonly name: string; readonly text: string }[];
}

function registerList(policy: Command, contextOf: ContextOf): void {
  policy
    .command("list")
    .description("Your organisation's own policies, as they are in force")
    .addHelpText("after", "\nExample:\n  portolan policy list --as admin")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const found = await (await connect(context)).json<PolicySet>({ path: "/v1/policies" });
      const texts = found.files.map(({ name, text }) => `// ${name}\n${text.trimEnd()}`);
      context.output.result(found, texts.length === 0 ? "none of your own" : texts.join("\n\n"));
    });
}

function registerReplace(policy: Command, contextOf: ContextOf): void {
  policy
    .command("replace")
    .description("Put a folder's policies in place of all that your organisation has of its own")
    .requiredOption("--policies <folder>", "folder with *.cedar files")
    .option("--dry-run", "say which would come and go, and change nothing")
    .addHelpText("after", "\nExample:\n  portolan policy replace --policies policies --dry-run --as admin")
    .action(async (options: { policies: string; dryRun?: boolean }, command: Command) => {
      const context = contextOf(command);
      const files = await readPolicies(context, options.policies);
      const api = await connect(context);
      const before = await api.json<PolicySet>({ path: "/v1/policies" });
      const changes = changesOf(before.files, files);
      const isChanged = changes.length > 0;
      if (isChanged && options.dryRun !== true)
        await api.json({ method: "PUT", path: "/v1/policies", body: { files } });
      const said = isChanged ? changes.map(({ what, name }) => `${what.padEnd(8)} ${name}`) : ["no change"];
      context.output.result({ changes, dryRun: options.dryRun === true }, said.join("\n"));
    });
}

type PolicyFile = PolicySet["files"][number];

function changesOf(before: readonly PolicyFile[], after: readonly PolicyFile[]) {
  const old = new Map(before.map(({ name, text }) => [name, text]));
  const now = new Map(after.map(({ name, text }) => [name, text]));
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((name) => {
    if (old.get(name) === now.get(name)) return [];
    return [{ name, what: old.has(name) ? (now.has(name) ? "changed" : "removed") : "new" }];
  });
}

/** A folder that was named must hold policies: a test against none would prove nothing. */
async function readPolicies(context: CliContext, option: string | undefined) {
  const folder = resolve(context.cwd, option ?? "policies");
  const files = (await readAll(folder, [".cedar"])).map(({ path, text }) => ({ name: basename(path), text }));
  if (option === undefined || files.length > 0) return files;
  const missing = await access(folder).then(
    () => "holds no *.cedar file",
    () => "does not exist",
  );
  throw new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `${folder} ${missing}`,
    mend: "Name the folder with your *.cedar files, or leave --policies out.",
  });
}
