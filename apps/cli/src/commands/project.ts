import { constants } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import {
  parseTemplateName,
  readTemplate,
  type TemplateName,
  templateNames,
} from "@portolan/charter/templates";
import { PortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import { applyProject, type Change } from "../client/apply.ts";
import { type CliContext, connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { filesBelow, readProject, readText } from "../project-files.ts";
import { badUsage } from "../read-input.ts";
import { existingFile, writeNew } from "../write-new.ts";

export function registerProjectCommands(program: Command, contextOf: ContextOf): void {
  registerInit(program, contextOf);
  registerApply(program, contextOf);
}

function registerInit(program: Command, contextOf: ContextOf): void {
  program
    .command("init [folder]")
    .description(
      "Start a use case from a template: a charter.yaml with the comments that explain its choices",
    )
    .option("--template <name>", `one of: ${templateNames.join(", ")}`, "churn")
    .option("--preset <name>", `a charter of an industry's constraints instead: ${presetNames.join(", ")}`)
    .option("--trainer <name>", `also a training folder, one of: ${trainerNames.join(", ")}`)
    .option("--force", "overwrite files that exist")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan init readmissions --template healthcare-readmission\n  portolan init churn --trainer lightgbm",
    )
    .action((folder: string | undefined, options: InitOptions, command: Command) =>
      initFolder(contextOf(command), folder, options, command.getOptionValueSource("template") === "cli"),
    );
}

interface InitOptions {
  readonly template: string;
  readonly preset?: string;
  readonly trainer?: string;
  readonly force?: boolean;
}

async function initFolder(
  context: CliContext,
  folder: string | undefined,
  options: InitOptions,
  isTemplateNamed: boolean,
): Promise<void> {
  if (options.preset !== undefined) {
    if (options.trainer !== undefined || isTemplateNamed)
      throw badUsage(
        "--preset is a charter alone",
        "Leave --template and --trainer out, or leave --preset out.",
      );
    return writePreset(context, options.preset, folder, options.force === true);
  }
  const template = parseTemplateName(options.template);
  if (!template) {
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `there is no template "${options.template.slice(0, 60)}"`,
      mend: `Use one of: ${templateNames.join(", ")}.`,
    });
  }
  const trainer = options.trainer === undefined ? undefined : requireTrainer(options.trainer);
  const target = resolve(context.cwd, folder ?? ".");
  await mkdir(target, { recursive: true });
  const written = [
    await writeNew(join(target, "charter.yaml"), readTemplate(template), options.force === true),
  ];
  const files = await exampleFiles(context.root, template, trainer);
  for (const [path, file] of files) {
    const destination = join(target, path);
    await mkdir(resolve(destination, ".."), { recursive: true });
    written.push(await copyNew(file, destination, options.force === true));
  }
  context.output.result(
    { template, written },
    `${written.map((path) => `wrote ${relative(context.cwd, path)}`).join("\n")}\nNext: portolan plan ${folder ?? ""}`.trimEnd(),
  );
}

async function writePreset(
  context: CliContext,
  name: string,
  folder: string | undefined,
  force: boolean,
): Promise<void> {
  const preset = requirePreset(name);
  const target = resolve(context.cwd, folder ?? ".");
  await mkdir(target, { recursive: true });
  const { text } = await readText(join(context.root, "examples/architectures", preset, "charter.yaml"));
  const path = await writeNew(join(target, "charter.yaml"), text, force);
  context.output.result(
    { preset, written: [path] },
    `wrote ${relative(context.cwd, path)}\nNext: portolan plan ${folder ?? ""}`.trimEnd(),
  );
}

/** Charters in `examples/architectures`: constraints of an industry, from which the plan derives its architecture. */
const presetNames = ["financial-services", "healthcare", "manufacturing"] as const;

function requirePreset(name: string): (typeof presetNames)[number] {
  const found = presetNames.find((known) => known === name);
  if (found) return found;
  throw badUsage(`there is no preset "${name.slice(0, 60)}"`, `Use one of: ${presetNames.join(", ")}.`);
}

/** Folders of `examples/` whose files belong to a template: those of one table share a trainer. */
function exampleFolders(template: TemplateName): string[] {
  const ofTables: readonly TemplateName[] = ["readmission", "ai4i", "credit-default"];
  return ofTables.includes(template) ? ["tables", template] : [template];
}

/** Programs that train, in `examples/trainers`. */
const trainerNames = ["xgboost", "lightgbm", "keras"] as const;

function requireTrainer(name: string): (typeof trainerNames)[number] {
  const found = trainerNames.find((known) => known === name);
  if (found) return found;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `there is no trainer "${name.slice(0, 60)}"`,
    mend: `Use one of: ${trainerNames.join(", ")}.`,
  });
}

/**
 * What a template has beside its charter, by path below the new folder. A chosen trainer takes the place of the template's own, whose
 * recipe of rows stays.
 */
async function exampleFiles(
  root: string,
  template: TemplateName,
  trainer: string | undefined,
): Promise<ReadonlyMap<string, string>> {
  const own: [string, string][] = [];
  for (const name of exampleFolders(template)) {
    const example = join(root, "examples", name);
    for (const file of await filesBelow(example)) own.push([relative(example, file), file]);
  }
  if (trainer === undefined) return new Map(own);
  const isReplaced = /^training\/(train\.py|params\.json|requirements.*)$/;
  const folder = join(root, "examples/trainers", trainer);
  const chosen = (await filesBelow(folder)).map(
    (file) => [join("training", relative(folder, file)), file] as const,
  );
  return new Map([...chosen, ...own.filter(([path]) => !isReplaced.test(path))]);
}

async function copyNew(from: string, to: string, force: boolean): Promise<string> {
  try {
    await copyFile(from, to, force ? 0 : constants.COPYFILE_EXCL);
  } catch (cause) {
    throw existingFile(to, cause);
  }
  return to;
}

function registerApply(program: Command, contextOf: ContextOf): void {
  program
    .command("apply [folder]")
    .description(
      "Reconcile a folder (charter, contracts, feature views) with the server; applying it again changes nothing",
    )
    .option("--dry-run", "only show what would change")
    .addHelpText("after", "\nExample:\n  portolan apply churn --dry-run")
    .action(async (folder: string | undefined, options: { dryRun?: boolean }, command: Command) => {
      const context = contextOf(command);
      const project = await readProject(context.cwd, folder ?? ".");
      const changes = await applyProject(await connect(context), project, {
        dryRun: options.dryRun === true,
      });
      context.output.result({ dryRun: options.dryRun === true, changes }, changes.map(changeText).join("\n"));
    });
}

function changeText(change: Change): string {
  const sign = { create: "+", update: "~", unchanged: "=" }[change.kind];
  return [
    `${sign} ${change.what} ${change.name}  ${change.note}`.trimEnd(),
    ...change.details.map((line) => `    ${line}`),
    ...(change.advice ?? []).map((line) => `    advice: ${line}`),
  ].join("\n");
}
