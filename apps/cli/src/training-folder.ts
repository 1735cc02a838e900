import { access } from "node:fs/promises";
import { basename, join } from "node:path";
import { messageOf, PortolanError, parseInstant } from "@portolan/kernel";
import type { CliErrorCode } from "./errors.ts";
import { readAll, readText } from "./project-files.ts";

type Recipe = Readonly<Record<string, unknown>>;

/** What a training is started from: `train.py`, its locks, the recipe of its rows, its parameters. */
export interface TrainingFolder {
  readonly program: string;
  /** Python's minor version, e.g. `3.12`, and the lock's text. */
  readonly locks: readonly { readonly minor: string; readonly text: string }[];
  /** The body of `POST /v1/training-sets` without its place. */
  readonly trainingSet: Recipe;
  /** The same for the later rows that it is judged on; absent: the folder names none. */
  readonly heldOut?: Recipe;
  readonly params: Readonly<Record<string, number | string | boolean>>;
}

/**
 * Reads `train.py`, `requirements-3.N.lock`, `training-set.json`, and where they are there `held-out.json` (members that differ from
 * those of `training-set.json`) and `params.json`. Times are RFC 3339 or microseconds.
 *
 * @throws PortolanError `cli.bad_file` with the file that is missing or not as it should be
 */
export async function readTrainingFolder(folder: string): Promise<TrainingFolder> {
  const { text: program } = await readText(join(folder, "train.py"));
  const trainingSet = recipeOf(await readObject(join(folder, "training-set.json")));
  const later = await readOptional(join(folder, "held-out.json"));
  const params = (await readOptional(join(folder, "params.json"))) ?? {};
  const locks = await readLocks(folder);
  const bad = Object.entries(params).find(([, value]) => !isParam(value));
  if (bad) throw badFile(join(folder, "params.json"), `${bad[0]} is neither number, text nor boolean`);
  return {
    program,
    locks,
    trainingSet,
    ...(later === undefined ? {} : { heldOut: { ...trainingSet, ...recipeOf(later) } }),
    params: Object.fromEntries(Object.entries(params).filter((entry): entry is Param => isParam(entry[1]))),
  };
}

type Param = [string, number | string | boolean];

function isParam(value: unknown): value is number | string | boolean {
  return typeof value === "number" || typeof value === "string" || typeof value === "boolean";
}

/** The hash-locked requirements of a folder. @throws PortolanError `cli.bad_file` where there are none */
export async function readLocks(folder: string): Promise<TrainingFolder["locks"]> {
  const files = await readAll(folder, [".lock"]);
  const locks = files.flatMap(({ path, text }) => {
    const minor = /^requirements-(3\.[0-9]+)\.lock$/.exec(basename(path))?.[1];
    return minor === undefined ? [] : [{ minor, text }];
  });
  if (locks.length > 0) return locks;
  throw new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `${folder} holds no requirements-3.N.lock`,
    mend: "Lock what the program imports, with hashes: pip-compile --generate-hashes -o requirements-3.12.lock requirements.in",
  });
}

/** With its times as the API takes them. */
function recipeOf(file: Recipe): Recipe {
  const times = ["from", "to"].flatMap((name) => {
    const value = file[name];
    // A parameter of a pipeline has its value later.
    const isInstant = typeof value === "string" && !value.startsWith("${");
    return isInstant ? [[name, parseInstant(value)] as const] : [];
  });
  return { ...file, ...Object.fromEntries(times) };
}

async function readOptional(path: string): Promise<Recipe | undefined> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  return isThere ? readObject(path) : undefined;
}

async function readObject(path: string): Promise<Recipe> {
  const { text } = await readText(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badFile(path, messageOf(cause));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badFile(path, "it is no JSON object");
  return Object.fromEntries(Object.entries(value));
}

function badFile(path: string, why: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.bad_file", {
    detail: `${path} cannot be used: ${why}`,
    mend: "See examples/flight-delays/training for one that can.",
  });
}
