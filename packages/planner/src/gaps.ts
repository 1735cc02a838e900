import type { CharterDocument } from "@portolan/charter/contract";
import { deriveFromCharter, productionBlockers, requiredSignatures } from "@portolan/charter/policy";
import type { SourceLines } from "@portolan/yaml-source";
import type { Assumptions } from "./assumptions.ts";
import { regionGaps } from "./costs/regions.ts";
import { scoresInBatchesAlone } from "./placement/workloads-asked.ts";

/** What the caller has seen of the use case's state. What is absent was not looked at, and the plan says so. */
export interface ReadinessFacts {
  readonly signedRoles?: readonly string[];
  /** Files of the folder, as the charter names them. */
  readonly presentFiles?: readonly string[];
}

export interface Gap {
  readonly severity: "blocks_production" | "attention";
  readonly what: string;
  readonly mend: string;
  /** JSON pointers into the charter. */
  readonly from: readonly string[];
}

/** What is missing between this charter and production. Pure. */
export function findGaps(
  document: CharterDocument,
  assumptions: Assumptions,
  facts: ReadinessFacts,
  lines?: SourceLines,
): Gap[] {
  return [
    ...signatureGaps(document, facts),
    ...fileGaps(document, facts),
    ...controlGaps(document, lines),
    ...regionGaps(document, assumptions),
    ...assumptionGaps(document, assumptions),
  ];
}

export function signatureGaps(document: CharterDocument, { signedRoles }: ReadinessFacts): Gap[] {
  return requiredSignatures(document).flatMap(({ role, because }): Gap[] =>
    signedRoles?.includes(role)
      ? []
      : [
          {
            severity: "blocks_production",
            what: `${role} has not signed (${because.map((reason) => reason.reason).join("; ")})`,
            mend: `Have it signed: portolan sign --role ${role}.`,
            from: because.map((reason) => reason.pointer),
          },
        ],
  );
}

function fileGaps(document: CharterDocument, { presentFiles }: ReadinessFacts): Gap[] {
  const { contracts, featureViews = [] } = document.data;
  const { trainer } = document.model;
  const gaps: Gap[] = [];
  if (contracts.length === 0) {
    gaps.push({
      severity: "blocks_production",
      what: "no data contract is named",
      mend: "List one under data.contracts.",
      from: ["/data/contracts"],
    });
  }
  if (featureViews.length === 0) {
    gaps.push({
      severity: "attention",
      what: "no feature view is named: callers send every feature themselves",
      mend: "List one under data.featureViews.",
      from: ["/data"],
    });
  }
  const named = [
    ...contracts.map((file, index) => ({ file, kind: "data contract", pointer: `/data/contracts/${index}` })),
    ...featureViews.map((file, index) => ({
      file,
      kind: "feature view",
      pointer: `/data/featureViews/${index}`,
    })),
    ...(trainer === undefined ? [] : [{ file: trainer, kind: "trainer", pointer: "/model/trainer" }]),
  ];
  if (presentFiles === undefined) {
    gaps.push({
      severity: "attention",
      what: "the files that the charter names were not looked at",
      mend: "Run portolan plan in the folder.",
      from: named.map((entry) => entry.pointer),
    });
    return gaps;
  }
  for (const { file, kind, pointer } of named) {
    if (!presentFiles.includes(file)) {
      gaps.push({
        severity: "blocks_production",
        what: `the ${kind} ${file} is missing`,
        mend: `Write ${file}.`,
        from: [pointer],
      });
    }
  }
  return gaps;
}

export function controlGaps(document: CharterDocument, lines: SourceLines | undefined): Gap[] {
  const blocked = productionBlockers(document, lines).map(
    ({ reason, demandedBy }): Gap => ({
      severity: "blocks_production",
      what: reason,
      mend: "Wait for the control, or have a charter signed that does not demand it.",
      from: demandedBy.map((from) => from.pointer),
    }),
  );
  const shown = deriveFromCharter(document, lines).items.filter(
    (item) => item.enforcement.kind === "not_enforced" && item.demandedBy.length === 0,
  );
  if (shown.length === 0) return blocked;
  return [
    ...blocked,
    {
      severity: "attention",
      what: `derived but not enforced: ${[...new Set(shown.map((item) => item.control))].join(", ")}`,
      mend: "Keep these by hand, or list what must hold under demandedControls.",
      from: shown.flatMap((item) => item.from.map((from) => from.pointer)),
    },
  ];
}

function assumptionGaps(document: CharterDocument, assumptions: Assumptions): Gap[] {
  const guessed = [
    assumptions.averageRequestsPerSecond,
    assumptions.recordBytes,
    assumptions.modelBytes,
    ...(scoresInBatchesAlone(document)
      ? [assumptions.batchRowsPerRun, assumptions.batchMsPerRow]
      : [assumptions.cpuMsPerPrediction]),
    assumptions.trainingHours,
  ].filter((assumption) => assumption.origin === "assumed");
  if (guessed.length === 0) return [];
  return [
    {
      severity: "attention",
      what: `assumed, not known: ${guessed.map((assumption) => assumption.name).join(", ")}`,
      mend: "State what is known under workload, or measure it.",
      from: ["/workload"],
    },
  ];
}
