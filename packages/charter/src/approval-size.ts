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
  /** Cores. */
  readonly cpu?: number;
  readonly memoryBytes?: number;
}

/** Pure. */
export function approvalSize(stated: Stated): ApprovalSize | undefined {
  if (!stated) return undefined;
  const { gpus, cpu, memory } = stated.approvalAbove;
  return {
    ...(gpus === undefined ? {} : { gpus }),
    ...(cpu === undefined ? {} : { cpu }),
    ...(memory === undefined ? {} : { memoryBytes: parseBytes(memory) }),
  };
}

const at = "/capacity/approvalAbove";

/** For people. Pure. */
export function approvalSizeFacts(stated: Stated): Fact[] {
  const size = approvalSize(stated);
  if (!stated || !size) return [];
  const { gpus, cpu, memory } = stated.approvalAbove;
  const bounds = [
    ...(gpus === undefined ? [] : [`${gpus} ${gpus === 1 ? "graphics card" : "graphics cards"}`]),
    ...(cpu === undefined ? [] : [`${cpu} CPU`]),
    ...(memory === undefined ? [] : [`${memory} of memory`]),
  ];
  const from = (["gpus", "cpu", "memory"] as const)
    .filter((name) => stated.approvalAbove[name] !== undefined)
    .map((name) => `${at}/${name}`);
  const statement = `A training run or scoring that asks for more than ${bounds.join(" or ")} waits until somebody else approves it.`;
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
