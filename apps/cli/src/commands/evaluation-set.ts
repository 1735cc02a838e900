import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { TextSet } from "@portolan/evaluation/contract";
import type { Command } from "commander";
import { uploadArtifact } from "../client/artifacts.ts";
import { findUseCase } from "../client/use-cases.ts";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

interface AddOptions {
  readonly name: string;
  readonly useCase: string;
  readonly heldOut?: string;
}

export function registerEvaluationSetCommands(program: Command, contextOf: ContextOf): void {
  const sets = program
    .command("evaluation-set")
    .description("Sets of cases that text versions are evaluated by: add, list")
    .addHelpText("after", "\nExample:\n  portolan evaluation-set list");
  sets
    .command("add <file>")
    .description("Register cases, one JSON object a line, as the next version of a set")
    .requiredOption("--name <name>", "name of the set within its use case")
    .requiredOption("--use-case <name>", "use case that it belongs to")
    .option(
      "--held-out <statement>",
      "state, under your name, that the model cannot have learned from the cases, and why; without it no version leaves dev",
    )
    .addHelpText(
      "after",
      `
A line:
  {"messages": [{"role": "user", "content": "2+2?"}], "expect": {"number": 4}}
Example:
  portolan evaluation-set add cases.jsonl --name questions --use-case helpdesk --held-out "Written by us in November, published nowhere."`,
    )
    .action(async (file: string, options: AddOptions, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const { id: useCaseId } = await findUseCase(api, options.useCase);
      const bytes = await readFile(resolve(context.cwd, file));
      const artifact = await uploadArtifact(api, { environment: "production", useCaseId }, bytes);
      const { name, heldOut } = options;
      const body = { name, useCaseId, artifact, ...(heldOut === undefined ? {} : { heldOut }) };
      const set = await api.json<TextSet>({ path: "/v1/evaluation-sets", body });
      const stated = set.heldOut === undefined ? "; nobody states that its cases are held out" : "";
      context.output.result(
        set,
        `${set.name} version ${set.version}, ${set.cases} cases (${set.id})${stated}`,
      );
    });
  sets
    .command("list")
    .description("Sets that you may see, newest first")
    .addHelpText("after", "\nExample:\n  portolan evaluation-set list --json")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const { sets: found } = await api.json<{ sets: readonly TextSet[] }>({ path: "/v1/evaluation-sets" });
      const rows = found.map((one) => [
        one.name,
        String(one.version),
        String(one.cases),
        one.heldOut === undefined ? "not stated" : `stated by ${one.createdBy}`,
        one.id,
      ]);
      context.output.result({ sets: found }, table(["name", "version", "cases", "held out", "id"], rows));
    });
}
