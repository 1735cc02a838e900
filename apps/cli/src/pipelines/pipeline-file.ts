import { basename, dirname, join } from "node:path";
import {
  digestBytes,
  type JsonObject,
  type JsonValue,
  PortolanError,
  type Violation,
} from "@portolan/kernel";
import { folderMembers, PipelineDefinition, PipelineFile } from "@portolan/pipelines/contract";
import { bindStages } from "@portolan/pipelines/policy";
import { Value } from "@portolan/typebox";
import { placeOf, readYaml } from "@portolan/yaml-source";
import type { CliErrorCode } from "../errors.ts";
import { readText } from "../project-files.ts";
import { readTrainingFolder, type TrainingFolder } from "../training-folder.ts";

/** A pipeline's file with the files that it names. */
export interface ReadPipeline {
  readonly name: string;
  /** With the use case as the file names it. */
  readonly definition: PipelineDefinition;
  /** Programs and locks, which the definition names by their SHA-256. */
  readonly uploads: readonly Uint8Array[];
}

/**
 * Reads a pipeline's file and the folders of its stages, and checks all that can be checked without a server.
 * @throws PortolanError `cli.bad_file` with every finding at its line
 */
export async function readPipelineFile(path: string): Promise<ReadPipeline> {
  const { text } = await readText(path);
  const reading = readYaml(text, { noun: "pipeline", maximumBytes: 256 * 1024 }, basename(path));
  if (reading.kind === "unreadable") throw badPipeline(path, reading.violations);
  const place = (pointer: string) => ({ file: basename(path), ...placeOf(pointer, reading.lines), pointer });
  const { value } = reading;
  if (!Value.Check(PipelineFile, value)) throw badPipeline(path, schemaFindings(value, place));
  const uploads: Uint8Array[] = [];
  const stages: JsonObject[] = [];
  for (const stage of value.stages)
    stages.push(await withFolder(dirname(path), stage as JsonObject, uploads));
  const { pipeline: name, useCase: useCaseId, stages: _, ...rest } = value;
  const definition = Value.Parse(PipelineDefinition, { ...rest, useCaseId, stages });
  const bound = bindStages(definition);
  if (bound.kind === "unusable")
    throw badPipeline(
      path,
      bound.findings.map(({ pointer, detail, mend }) => ({
        detail,
        at: place(pointer),
        ...(mend === undefined ? {} : { mend }),
      })),
    );
  return { name, definition, uploads };
}

function schemaFindings(value: JsonValue, place: (pointer: string) => Violation["at"] & object): Violation[] {
  return [...Value.Errors(PipelineFile, value)]
    .filter(({ keyword }) => keyword !== "boolean")
    .map(({ instancePath, message, params }) => {
      const extra = "additionalProperties" in params ? `: ${String(params.additionalProperties)}` : "";
      const missing = "requiredProperties" in params ? `: ${String(params.requiredProperties)}` : "";
      const where = instancePath === "" ? "the pipeline" : instancePath.slice(1).replaceAll("/", ".");
      return { detail: `${where} ${message}${extra}${missing}`, at: place(instancePath) };
    });
}

/** With what its folder holds in place of the folder's name. */
async function withFolder(base: string, stage: JsonObject, uploads: Uint8Array[]): Promise<JsonObject> {
  const { folder, ...own } = stage;
  if (typeof folder !== "string") return stage;
  const { kind } = stage;
  if (kind !== "prepare" && kind !== "train")
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `the stage ${JSON.stringify(kind)} takes no folder`,
      mend: `Only ${Object.keys(folderMembers).join(" and ")} read one.`,
    });
  const files = await readTrainingFolder(join(base, folder));
  return kind === "prepare"
    ? { ...rowsOf(files), ...own }
    : { ...programOf(files, uploads), ...paramsOf(files, own) };
}

function rowsOf({ trainingSet, heldOut }: TrainingFolder): JsonObject {
  return { trainingSet: trainingSet as JsonObject, ...(heldOut ? { heldOut: heldOut as JsonObject } : {}) };
}

function programOf({ program, locks }: TrainingFolder, uploads: Uint8Array[]): JsonObject {
  const held = (text: string): string => {
    const bytes = new TextEncoder().encode(text);
    uploads.push(bytes);
    return digestBytes(bytes);
  };
  return {
    code: held(program),
    locks: Object.fromEntries(locks.map(({ minor, text }) => [minor, held(text)])),
  };
}

/** What the stage says goes before what the folder says. */
function paramsOf({ params }: TrainingFolder, stage: JsonObject): JsonObject {
  const own = stage["params"];
  const said: JsonObject = isObject(own) ? own : {};
  return { ...stage, params: { ...params, ...said } };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function badPipeline(path: string, violations: readonly Violation[]): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `${path} is no pipeline that can be run`,
    violations,
    mend: "docs/pipelines.md shows one.",
  });
}
