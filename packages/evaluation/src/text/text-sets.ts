import { readFile, stat } from "node:fs/promises";
import {
  type CallContext,
  type Digest,
  type Environment,
  locate,
  newId,
  PortolanError,
  parseDigest,
  requireSeen,
} from "@portolan/kernel";
import type { EvaluationErrorCode } from "../errors.ts";
import { evidenceEnvironment } from "../evidence-environment.ts";
import type { TextEvaluationDeps } from "../ports.ts";
import type { NewTextSet, TextSet } from "./contract.ts";
import { mostSetBytes, readTextCases, type TextCases } from "./text-case.ts";
import { findTextSet, insertTextSet, listTextSets } from "./text-store.ts";

/**
 * Registers uploaded cases as the next version of a set. The same content and statement as the newest version is that version.
 *
 * @throws PortolanError `evaluation.text_set_invalid` with the lines, `registry.artifact_not_found`
 */
export async function registerTextSet(
  deps: TextEvaluationDeps,
  call: CallContext,
  asked: NewTextSet,
): Promise<TextSet> {
  const { organisationId } = call.actor;
  const environment = evidenceEnvironment;
  const named = { useCaseId: asked.useCaseId };
  await deps.authorizer.require(call, "evaluation:register_set", {
    type: "Evaluation",
    id: asked.name,
    organisationId,
    environment,
    ...named,
  });
  const place = await locate(deps.places, organisationId, named);
  const useCaseId = place.useCaseId ?? asked.useCaseId;
  const object = await deps.artifacts.require(call, asked.artifact, { environment, ...place });
  const { cases } = await readCases(deps, object);
  return deps.work.write(call, async (tx) => {
    const [newest] = await listTextSets(tx.sql, organisationId, { useCaseId, name: asked.name });
    if (newest?.object === object && newest.heldOut === asked.heldOut) return newest;
    const set: TextSet = {
      id: newId("textSet", tx.now),
      name: asked.name,
      version: (newest?.version ?? 0) + 1,
      useCaseId,
      object,
      cases: cases.length,
      ...(asked.heldOut === undefined ? {} : { heldOut: asked.heldOut }),
      createdBy: call.actor.id,
      createdAt: tx.now,
    };
    await insertTextSet(tx.sql, organisationId, set);
    await tx.record({
      event: "evaluation.text_set.registered",
      subject: set.id,
      after: object,
      detail: {
        name: set.name,
        version: set.version,
        useCase: useCaseId,
        cases: cases.length,
        heldOut: set.heldOut ?? null,
      },
    });
    return set;
  });
}

/** Sets that the caller may see, newest first. */
export async function listReadableSets(deps: TextEvaluationDeps, call: CallContext): Promise<TextSet[]> {
  const { organisationId } = call.actor;
  const all = await deps.work.read(call, (sql) => listTextSets(sql, organisationId));
  const readable: TextSet[] = [];
  for (const set of all)
    if ((await deps.authorizer.decide(call, "evaluation:read", resourceOf(call, set))).allowed)
      readable.push(set);
  return readable;
}

/** @throws PortolanError `evaluation.text_set_not_found`, the same for what is missing and what may not be seen */
export async function requireTextSet(
  deps: TextEvaluationDeps,
  call: CallContext,
  id: string,
): Promise<TextSet> {
  const set = await deps.work.read(call, (sql) => findTextSet(sql, call.actor.organisationId, id));
  if (!set) throw setNotFound(id);
  const question = { action: "evaluation:read", resource: resourceOf(call, set) };
  await requireSeen(deps.authorizer, call, question, () => setNotFound(id));
  return set;
}

/** The cases of a registered set. */
export async function readCasesOf(
  { objects }: Pick<TextEvaluationDeps, "objects">,
  set: TextSet,
): Promise<TextCases> {
  return readCases({ objects }, requireDigest(set.object));
}

/** Its size is judged before it is in memory: an upload may be far larger than a set. */
async function readCases(
  { objects }: Pick<TextEvaluationDeps, "objects">,
  object: Digest,
): Promise<TextCases> {
  const path = await objects.localPath(object);
  const { size } = await stat(path);
  if (size > mostSetBytes)
    throw invalid([`the set has ${size} bytes, more than ${mostSetBytes / 2 ** 20} MiB`]);
  const read = readTextCases(await readFile(path));
  if (read.kind === "cases") return read;
  throw invalid(read.problems);
}

function invalid(problems: readonly string[]): PortolanError<EvaluationErrorCode> {
  return new PortolanError<EvaluationErrorCode>("evaluation.text_set_invalid", {
    detail: problems.join("; "),
    mend: 'Write one case a line, e.g. {"messages": [{"role": "user", "content": "2+2?"}], "expect": {"number": 4}}; docs/upstreams.md has the rest.',
  });
}

function requireDigest(text: string): Digest {
  const digest = parseDigest(text);
  if (!digest) throw new PortolanError("kernel.internal", { detail: `${text.slice(0, 80)} is no digest` });
  return digest;
}

function resourceOf(call: CallContext, { name, useCaseId }: TextSet) {
  const { organisationId } = call.actor;
  const environment: Environment = evidenceEnvironment;
  return { type: "Evaluation", id: name, organisationId, useCaseId, environment };
}

function setNotFound(id: string): PortolanError<EvaluationErrorCode> {
  return new PortolanError("evaluation.text_set_not_found", {
    detail: `there is no set of cases ${id}`,
    mend: "See the sets with: portolan evaluation-set list, or register one with: portolan evaluation-set add.",
  });
}
