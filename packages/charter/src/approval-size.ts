import { parseBytes } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { type Fact, fact } from "./fact.ts";
import type { Finding } from "./schema-findings.ts";
import { closed } from "./schema-parts.ts";
import { ByteSizeText } from "./unit-texts.ts";

/** The size of a training run or scoring above which somebody else agrees before it begins. */
export const CapacityTerms = Type.Object(
  {
    approvalAbove: Type.Object(
      {
        gpus: Type.Optional(
          Type.Number({
            minimum: 0,
            maximum: 10_000,
            description: "Graphics cards; a slice of one (MIG) counts as its part of the card's memory.",
          }),
        ),
        gpuHours: Type.Optional(
          Type.Number({
            minimum: 0,
            maximum: 100_000_000,
            description:
              "Graphics cards times the time limit that is asked for, in hours; cards without a time limit are above it.",
          }),
        ),
        cpu: Type.Optional(Type.Number({ minimum: 0, maximum: 1_000_000, description: "Processor cores." })),
        memory: Type.Optional(ByteSizeText("Main memory.")),
      },
      {
        ...closed,
        minProperties: 1,
        description:
          "A training run or scoring that asks for more than one of these waits until somebody other than who submitted it approves it.",
      },
    ),
  },
  {
    ...closed,
    description: "What work of this use case may ask for. Absent: no size needs anybody's approval.",
  },
);
type Stated = Static<typeof CapacityTerms> | undefined;

/** The same as numbers; what is absent has no bound. */
export interface ApprovalSize {
  readonly gpus?: number;
  /** Cards times the time limit that is asked for. */
  readonly gpuHours?: number;
  /** Cores. */
  readonly cpu?: number;
  readonly memoryBytes?: number;
}

/** Pure. */
export function approvalSize(stated: Stated): ApprovalSize | undefined {
  if (!stated) return undefined;
  const { gpus, gpuHours, cpu, memory } = stated.approvalAbove;
  return {
    ...(gpus === undefined ? {} : { gpus }),
    ...(gpuHours === undefined ? {} : { gpuHours }),
    ...(cpu === undefined ? {} : { cpu }),
    ...(memory === undefined ? {} : { memoryBytes: parseBytes(memory) }),
  };
}

const at = "/capacity/approvalAbove";

/** For people. Pure. */
export function approvalSizeFacts(stated: Stated): Fact[] {
  const size = approvalSize(stated);
  if (!stated || !size) return [];
  const { gpus, gpuHours, cpu, memory } = stated.approvalAbove;
  const bounds = [
    ...(gpus === undefined ? [] : [`${gpus} ${gpus === 1 ? "graphics card" : "graphics cards"}`]),
    ...(gpuHours === undefined ? [] : [`${gpuHours} GPU hours`]),
    ...(cpu === undefined ? [] : [`${cpu} CPU`]),
    ...(memory === undefined ? [] : [`${memory} of memory`]),
  ];
  const from = (["gpus", "gpuHours", "cpu", "memory"] as const)
    .filter((name) => stated.approvalAbove[name] !== undefined)
    .map((name) => `${at}/${name}`);
  const unlimited =
    gpuHours === undefined ? "" : " One that asks for cards and states no time limit is above any GPU hours.";
  const statement = `A training run or scoring that asks for more than ${bounds.join(" or ")} waits until somebody else approves it.${unlimited}`;
  return [fact("capacity_approval", "limit", from, statement, { ...size })];
}

/** What the schema cannot say. Pure. */
export function approvalSizeFindings(stated: Stated): Finding[] {
  const cpu = stated?.approvalAbove.cpu;
  if (cpu === undefined || Math.abs(cpu * 1000 - Math.round(cpu * 1000)) < 1e-6) return [];
  return [
    {
      pointer: `${at}/cpu`,
      detail: "processors are counted in thousandths",
      mend: "Write at most three places, e.g. 0.5.",
    },
  ];
}
