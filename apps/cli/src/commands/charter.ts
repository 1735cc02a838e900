import { resolve } from "node:path";
import {
  type CharterDocument,
  type CharterSummary,
  type CharterView,
  type SigningRole,
  signingRoles,
} from "@portolan/charter/contract";
import {
  type CharterExplanation,
  charterDiff,
  describeViolation,
  explainCharter,
  explanationMarkdown,
  parseCharter,
  requireValid,
} from "@portolan/charter/policy";
import { PortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import { findCharterVersion, signAs } from "../client/charter-signing.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { readText } from "../project-files.ts";

export function registerCharterCommands(program: Command, contextOf: ContextOf): void {
  const charter = program
    .command("charter")
    .description("Check, explain, compare and list charters")
    .addHelpText("after", "\nExample:\n  portolan charter check charter.yaml");
  registerCheck(charter, contextOf);
  registerExplain(charter, contextOf);
  registerDiff(charter, contextOf);
  registerList(charter, contextOf);
  registerSign(program, contextOf);
}

function registerCheck(charter: Command, contextOf: ContextOf): void {
  charter
    .command("check [file]")
    .description("Check a charter file: every error with its line and its mend")
    .addHelpText("after", "\nExample:\n  portolan charter check charter.yaml")
    .action(async (file: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const path = resolve(context.cwd, file ?? "charter.yaml");
      const reading = parseCharter((await readText(path)).text, path);
      if (reading.kind === "invalid") {
        context.output.result(
          { valid: false, violations: reading.violations },
          reading.violations
            .map(
              (violation) =>
                // What is missing altogether has no line; the file is named all the same.
                `${violation.at?.line === undefined ? `${path}: ` : ""}${describeViolation(violation)}${violation.mend === undefined ? "" : `\n    ${violation.mend}`}`,
            )
            .join("\n"),
        );
        process.exitCode = 1;
        return;
      }
      const { digest } = reading.charter;
      context.output.result({ valid: true, digest }, `${path} is a valid charter (${digest})`);
    });
}

function registerExplain(charter: Command, contextOf: ContextOf): void {
  charter
    .command("explain [fileOrId]")
    .description("Everything that follows from each line of a charter, and who enforces it")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan charter explain charter.yaml\n  portolan charter explain cht_… --json",
    )
    .action(async (target: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const explanation: CharterExplanation = target?.startsWith("cht_")
        ? await (await connect(context)).json({ path: `/v1/charters/${target}/explain` })
        : await explainFile(resolve(context.cwd, target ?? "charter.yaml"));
      context.output.result(explanation, explanationMarkdown(explanation));
    });
}

async function explainFile(path: string): Promise<CharterExplanation> {
  const { document, lines } = requireValid(parseCharter((await readText(path)).text, path));
  return explainCharter(document, lines);
}

function registerDiff(charter: Command, contextOf: ContextOf): void {
  charter
    .command("diff <before> <after>")
    .description("What changed between two charter files (exit code 1 when they differ)")
    .addHelpText("after", "\nExample:\n  portolan charter diff charter.yaml charter-next.yaml")
    .action(async (before: string, after: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const [a, b] = await Promise.all(
        [before, after].map((file) => readDocument(resolve(context.cwd, file))),
      );
      const changes = a && b ? charterDiff(a, b) : [];
      if (changes.length > 0) process.exitCode = 1;
      const lines = changes.map(
        ({ pointer, before: was, after: is }) =>
          `${pointer}: ${JSON.stringify(was)} -> ${JSON.stringify(is)}`,
      );
      context.output.result({ changes }, lines.join("\n") || "no difference");
    });
}

async function readDocument(path: string): Promise<CharterDocument> {
  return requireValid(parseCharter((await readText(path)).text, path)).document;
}

function registerList(charter: Command, contextOf: ContextOf): void {
  charter
    .command("list")
    .description("Charters on the server, newest first")
    .addHelpText("after", "\nExample:\n  portolan charter list")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const { charters } = await api.json<{ charters: readonly CharterSummary[] }>({ path: "/v1/charters" });
      const rows = charters.map((one) => [one.id, one.useCase, String(one.version), one.status]);
      context.output.result({ charters }, table(["id", "use case", "version", "status"], rows));
    });
}

function registerSign(program: Command, contextOf: ContextOf): void {
  program
    .command("sign [charter]")
    .description("Sign a charter version in a role, with a key that stays on this machine")
    .requiredOption("--role <role>", `the role you sign in: ${signingRoles.join(", ")}`)
    .option("--use-case <name>", "sign the newest version of this use case")
    .addHelpText("after", "\nExample:\n  portolan sign --use-case flight-delays --role team_lead --as lee")
    .action(async (id: string | undefined, options: { role: string; useCase?: string }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const version: CharterView = await findCharterVersion(api, {
        ...(id === undefined ? {} : { id }),
        ...options,
      });
      const result = await signAs(context, api, version, parseSigningRole(options.role));
      const missing =
        result.missingRoles.length === 0
          ? "it is in force"
          : `still to sign: ${result.missingRoles.join(", ")}`;
      context.output.result(
        result,
        `signed ${version.useCase} version ${version.version} as ${options.role}; ${missing}`,
      );
    });
}

function parseSigningRole(text: string): SigningRole {
  const role = signingRoles.find((name) => name === text);
  if (role) return role;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `"${text.slice(0, 40)}" is no role that signs charters`,
    mend: `Use one of: ${signingRoles.join(", ")}.`,
  });
}
