import type { CharterDocument } from "@portolan/charter/contract";
import { controlGaps, signatureGaps } from "../gaps.ts";
import type { CharterFact, Evidence, RecordKind, UseCaseFacts } from "./evidence.ts";

/** What a check found. `waived`: the charter in force does not ask for it, and says so. */
export type Standing =
  | {
      readonly state: "held" | "waived";
      readonly evidence: readonly Evidence[];
      /** When it came to hold first, epoch microseconds. */
      readonly since: number;
    }
  | { readonly state: "missing"; readonly evidence: readonly Evidence[]; readonly lacks: readonly string[] };

const day = 86_400_000_000;
/** The slowest load that counts as running is a monthly one. */
export const freshMicros = 31 * day;

/** @param lacks what to say where it is missing */
export type Judge = (facts: UseCaseFacts, lacks: string) => Standing;

/** @param ever records that counted once; what lapsed and came back holds since the first time */
function heldIf(evidence: readonly Evidence[], lacks: string, { least = 1, ever = evidence } = {}): Standing {
  const since = ever.map(({ at }) => at).toSorted((a, b) => a - b)[least - 1];
  return evidence.length >= least && since !== undefined
    ? { state: "held", evidence, since }
    : { state: "missing", evidence, lacks: [lacks] };
}

interface Wanted {
  readonly production?: boolean;
  /** No older than a month. */
  readonly fresh?: boolean;
  readonly least?: number;
}

/** Records of a kind. */
export function records(kind: RecordKind, { production, fresh, least = 1 }: Wanted = {}): Judge {
  return ({ found, now }, lacks) => {
    const ever = (found[kind] ?? []).filter(({ environment }) => !production || environment === "production");
    const evidence = fresh ? ever.filter(({ at }) => at >= now - freshMicros) : ever;
    return heldIf(evidence, lacks, { least, ever });
  };
}

function inForce(charter: CharterFact | undefined): Evidence | undefined {
  return charter?.inForceSince === undefined
    ? undefined
    : {
        id: charter.id,
        at: charter.inForceSince,
        note: `version ${charter.version}, in force`,
        link: `/v1/charters/${charter.id}`,
      };
}

/** A line of the charter in force. */
export function stated(says: (document: CharterDocument) => string | undefined): Judge {
  return ({ charter }, lacks) => {
    const evidence = inForce(charter);
    const note = evidence && charter && says(charter.document);
    return heldIf(note === undefined || !evidence ? [] : [{ ...evidence, note }], lacks);
  };
}

/** What need not be there where the charter in force does not ask for it; without one everything is asked for. */
export function unless(waived: (document: CharterDocument) => string | undefined, judge: Judge): Judge {
  return (facts, lacks) => {
    const standing = judge(facts, lacks);
    if (standing.state === "held") return standing;
    const evidence = inForce(facts.charter);
    const note = evidence && facts.charter && waived(facts.charter.document);
    return note === undefined || !evidence
      ? standing
      : { state: "waived", evidence: [{ ...evidence, note }], since: evidence.at };
  };
}

export const noViews = ({ data }: CharterDocument) =>
  (data.featureViews ?? []).length === 0 ? "the charter names no feature view" : undefined;

export const signed: Judge = ({ charter }, lacks) => {
  const evidence = inForce(charter);
  if (evidence || !charter) return heldIf(evidence ? [evidence] : [], lacks);
  const roles = signatureGaps(charter.document, { signedRoles: charter.signedRoles });
  return { state: "missing", evidence: [], lacks: [lacks, ...roles.map(({ what }) => what)] };
};

export const enforced: Judge = ({ charter }, lacks) => {
  const evidence = inForce(charter);
  if (!evidence || !charter) return heldIf([], lacks);
  const blocks = controlGaps(charter.document, undefined).filter(
    ({ severity }) => severity === "blocks_production",
  );
  return blocks.length === 0
    ? heldIf([{ ...evidence, note: "every control that it demands is enforced" }], lacks)
    : { state: "missing", evidence: [], lacks: blocks.map(({ what }) => what) };
};
