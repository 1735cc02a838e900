import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import {
  type Adoption,
  type AdoptionErrorCode,
  adoptionReport,
  adoptPickle,
  adoptProgram,
  draftContract,
  largestSourceBytes,
  openPickle,
  type ProgramSource,
  parseProgram,
  projectFiles,
  projectName,
  readNotebook,
  readScript,
  type WalledPrograms,
} from "@portolan/adoption";
import { parseTemplateName, readTemplate, templateNames } from "@portolan/charter/templates";
import { PortolanError } from "@portolan/kernel";
import { installEnvironmentOf } from "@portolan/training";
import type { Command } from "commander";
import { summariseCsv } from "../adopt/data-sample.ts";
import { modelTrial } from "../adopt/model-trial.ts";
import { walledPython } from "../adopt/walled-python.ts";
import type { CliContext } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { readText } from "../project-files.ts";
import { readLocks } from "../training-folder.ts";
import { writeNew } from "../write-new.ts";

interface AdoptOptions {
  readonly out?: string;
  readonly data?: string;
  readonly template: string;
  readonly lock?: string;
  readonly allowCode?: boolean;
  readonly strict?: boolean;
  readonly force?: boolean;
}

const largestPickleBytes = 2 ** 30;

export function registerAdoptCommand(program: Command, contextOf: ContextOf): void {
  program
    .command("adopt <file>")
    .description(
      "Take in a proof of concept (.ipynb, .py, .pkl, .joblib): what it lacks for production, and a project that goes on from it; needs no server",
    )
    .option("--out <folder>", "write the project there: report, charter, trainer, locks, contract")
    .option("--data <file.csv>", "draft a data contract of these rows")
    .option("--template <name>", `charter to fill: ${templateNames.join(", ")}`, "churn")
    .option("--lock <file>", "of a pickle: open it with the libraries of this requirements-3.N.lock")
    .option(
      "--allow-code",
      "of a pickle: open it, behind walls, though it names code that no estimator needs",
    )
    .option("--strict", "exit code 1 where a blocker was found")
    .option("--force", "overwrite files that exist")
    .addHelpText(
      "after",
      "\nA notebook and a script are read and never run; a pickle is opened behind walls, without network or files.\n\nExamples:\n  portolan adopt churn.ipynb\n  portolan adopt churn.ipynb --data customers.csv --out churn\n  portolan adopt model.pkl --json",
    )
    .action(async (file: string, options: AdoptOptions, command: Command) => {
      await adopt(contextOf(command), file, options);
    });
}

async function adopt(context: CliContext, file: string, options: AdoptOptions): Promise<void> {
  const template = parseTemplateName(options.template);
  if (!template)
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `there is no template "${options.template.slice(0, 60)}"`,
      mend: `Use one of: ${templateNames.join(", ")}.`,
    });
  const path = resolve(context.cwd, file);
  const folder = join(context.root, "examples/flight-delays/training");
  const locks = Object.fromEntries((await readLocks(folder)).map(({ minor, text }) => [minor, text]));
  const opening = options.lock === undefined ? locks : await ownLock(resolve(context.cwd, options.lock));
  const programs = walledPython({
    home: context.home,
    locks: opening,
    installEnvironment: installEnvironmentOf(context.env),
    onBuild: () =>
      context.output.note("opening it in the pinned environment; built first where it is not there"),
  });
  const { adoption, model } = await examine(programs, path, options.allowCode === true);
  const name = projectName(basename(path));
  const report = adoptionReport(basename(path), adoption);
  const columns = options.data === undefined ? [] : await summariseCsv(resolve(context.cwd, options.data));
  const contract = options.data === undefined ? undefined : draftContract(name, "fill-in-a-team", columns);
  const files = projectFiles(adoption, {
    name,
    charter: readTemplate(template),
    locks,
    report,
    ...(contract === undefined ? {} : { contract }),
  });
  const written =
    options.out === undefined ? [] : await writeProject(context, options.out, files, options.force);
  if (model && options.out !== undefined)
    written.push(
      await writeNew(join(resolve(context.cwd, options.out), "model.onnx"), model, options.force === true),
    );
  if (options.strict && adoption.findings.some(({ severity }) => severity === "blocker"))
    process.exitCode = 1;
  const next =
    options.out === undefined
      ? "Next: portolan adopt … --out <folder> writes a project"
      : `${written.map((one) => `wrote ${relative(context.cwd, one)}`).join("\n")}\nNext: fill in ${join(options.out, "charter.yaml")} and ${join(options.out, "training/training-set.json")}, then portolan plan ${options.out}`;
  context.output.result({ file: path, name, ...adoption, written }, `${report}\n${next}`);
}

/** @returns what was found, and of a converted pickle the bytes of the model */
async function examine(
  programs: WalledPrograms,
  path: string,
  allowCode: boolean,
): Promise<{ readonly adoption: Adoption; readonly model?: Uint8Array }> {
  const ending = extname(path).toLowerCase();
  if (ending === ".ipynb" || ending === ".py") {
    const text = await readSource(path);
    const source = ending === ".py" ? readScript(basename(path), text) : readNotebook(path, text);
    return { adoption: adoptProgram(await withSurroundings(programs, path, source)) };
  }
  if (![".pkl", ".pickle", ".joblib", ".p"].includes(ending))
    throw unusable(
      path,
      "its ending says neither notebook, script nor pickle",
      "Name it .ipynb, .py, .pkl or .joblib.",
    );
  const { size } = await sizeOf(path, largestPickleBytes);
  const opened = await openPickle({ programs, trial: modelTrial() }, path, { allowCode });
  const bytes = opened.conversion?.bytes;
  return { adoption: adoptPickle(opened, size), ...(bytes ? { model: bytes } : {}) };
}

/** With what lies beside it: modules of its own, and a requirements file. */
async function withSurroundings(programs: WalledPrograms, path: string, source: ProgramSource) {
  const beside = await readdir(dirname(path), { withFileTypes: true }).catch(() => []);
  const localModules = beside
    .filter((entry) => entry.isDirectory() || entry.name.endsWith(".py"))
    .map(({ name }) => name.replace(/\.py$/, ""));
  const listed = beside.some(({ name }) => name === "requirements.txt")
    ? (await readText(join(dirname(path), "requirements.txt"))).text.split("\n")
    : [];
  const installed = source.units.flatMap(({ installs }) => installs);
  return {
    source,
    facts: await parseProgram(programs, source),
    requirements: [...listed, ...installed],
    localModules,
  };
}

/** The size is asked first: a file of a gigabyte is none that somebody wrote. */
async function readSource(path: string): Promise<string> {
  await sizeOf(path, largestSourceBytes);
  return readFile(path, "utf8");
}

async function sizeOf(path: string, most: number): Promise<{ readonly size: number }> {
  const found = await stat(path);
  if (!found.isFile()) throw unusable(path, "it is no plain file", "Name the file itself.");
  if (found.size > most)
    throw unusable(
      path,
      `it is larger than ${most / 2 ** 20} MiB`,
      "Clear the outputs of a notebook, or name a smaller file.",
    );
  return found;
}

/** A lock of one's own; its name says for which Python. */
async function ownLock(path: string): Promise<Record<string, string>> {
  const minor = /^requirements-(3\.[0-9]+)\.lock$/.exec(basename(path))?.[1];
  if (minor === undefined)
    throw unusable(path, "its name does not say for which Python it is", "Name it requirements-3.N.lock.");
  return { [minor]: (await readText(path)).text };
}

async function writeProject(
  { cwd }: CliContext,
  out: string,
  files: ReadonlyMap<string, string>,
  force = false,
): Promise<string[]> {
  const written: string[] = [];
  for (const [name, text] of files) {
    const path = join(resolve(cwd, out), name);
    await mkdir(dirname(path), { recursive: true });
    written.push(await writeNew(path, text, force));
  }
  return written;
}

function unusable(path: string, why: string, mend: string): PortolanError<AdoptionErrorCode> {
  return new PortolanError("adoption.file_unusable", {
    detail: `${path} cannot be taken in: ${why}`,
    mend,
    at: { file: path },
  });
}
