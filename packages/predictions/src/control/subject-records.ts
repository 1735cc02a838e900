import type { CallContext, Environment, UnitOfWork } from "@portolan/kernel";
import { heldBy } from "../archive/hold-policy.ts";
import { followingMoves, type PartFiles } from "../archive/part-files.ts";
import type { PredictionPayload } from "../contract.ts";
import { parsePredictionId } from "../format/position.ts";
import { decodeEntry, decodeHeader } from "../format/record-codec.ts";
import { isInTensors, type SubjectQuery } from "../format/subject-of-payload.ts";
import { findSubject } from "./erase-predictions.ts";
import { activeHolds } from "./hold-store.ts";
import { findPart, searchParts } from "./store.ts";

export interface SubjectRecordDeps {
  readonly uow: UnitOfWork;
  readonly files: PartFiles;
}

export interface SubjectRecords {
  readonly environment: Environment;
  readonly useCaseId: string;
  readonly records: number;
  /** Legal holds that cover some of them. */
  readonly holds: readonly string[];
}

/** How many predictions are about the data subject and still have their payload, by environment and use case. */
export async function countSubjectRecords(
  deps: SubjectRecordDeps,
  call: CallContext,
  query: SubjectQuery,
  environments: readonly Environment[],
): Promise<SubjectRecords[]> {
  const { organisationId } = call.actor;
  const holds = await deps.uow.read(call, (sql) => activeHolds(sql, organisationId));
  const ids = await followingMoves(() => findSubject(deps, call, query, environments));
  const byPlace = new Map<string, SubjectRecords>();
  for (const id of ids) {
    const entry = await followingMoves(async () => {
      const position = parsePredictionId(id);
      const part = position && (await deps.uow.read(call, (sql) => findPart(sql, organisationId, position)));
      return part && deps.files.find(part, organisationId, position.index);
    });
    if (!entry) continue;
    const header = decodeHeader(entry);
    const { environment, useCaseId } = header.context;
    const hold = heldBy(header, holds)?.id;
    const known = byPlace.get(`${environment}:${useCaseId}`);
    byPlace.set(`${environment}:${useCaseId}`, {
      environment,
      useCaseId,
      records: (known?.records ?? 0) + 1,
      holds: [...new Set([...(known?.holds ?? []), ...(hold === undefined ? [] : [hold])])],
    });
  }
  return [...byPlace.values()];
}

/** Most predictions that a search names one by one. */
const mostNamed = 20;

/** Predictions whose payload holds the name, as `isIn` looks for it in a text, or as a value of a tensor in bytes; the first of them by name. */
export async function searchPayloads(
  deps: SubjectRecordDeps,
  call: CallContext,
  environments: readonly Environment[],
  { name, isIn }: { readonly name: string; readonly isIn: (text: string) => boolean },
): Promise<{ readonly looked: number; readonly hits: number; readonly predictionIds: readonly string[] }> {
  const { organisationId } = call.actor;
  const predictionIds: string[] = [];
  let looked = 0;
  let hits = 0;
  let after: { lastAt: number; file: string } | undefined;
  for (;;) {
    const seen = after;
    const parts = await deps.uow.read(call, (sql) =>
      searchParts(sql, { organisationId, environments }, 200, seen),
    );
    const last = parts.at(-1);
    if (!last) return { looked, hits, predictionIds };
    for (const part of parts) {
      const { entries } = await followingMoves(() => deps.files.read(part, organisationId));
      for (const { header, payload } of entries.map(decodeEntry)) {
        if (!payload || !environments.includes(header.context.environment)) continue;
        looked += 1;
        // Beside its length a text is no word of its own.
        const isBetween = (["inputs", "outputs"] as const).some((direction) => {
          const body = payload[direction];
          return body !== undefined && isInTensors(body, direction, name);
        });
        if (!isBetween && !isIn(payloadText(payload))) continue;
        hits += 1;
        if (predictionIds.length < mostNamed) predictionIds.push(header.id);
      }
    }
    after = { lastAt: last.last_at, file: last.file };
  }
}

function payloadText({ inputs, outputs, ...rest }: PredictionPayload): string {
  const bytes = [inputs, outputs].map((body) => (body ? Buffer.from(body.bytes).toString("utf8") : ""));
  return [...bytes, JSON.stringify(rest)].join("\n");
}
