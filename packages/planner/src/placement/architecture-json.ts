import { formatMoney } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { type Architecture, architectureStyles, workloadKinds } from "./architecture.ts";

export const ArchitectureDocument = Type.Object({
  style: Type.Enum([...architectureStyles]),
  workloads: Type.Array(
    Type.Object({
      workload: Type.Enum([...workloadKinds]),
      asked: Type.Boolean({ description: "Whether the charter has it; only these make the style" }),
      chosen: Type.Optional(Type.String()),
      because: Type.String(),
      tier: Type.Enum(["cpu", "gpu", "edge"]),
      tierReasons: Type.Array(Type.String()),
      eliminated: Type.Array(
        Type.Object({ placement: Type.String(), pointer: Type.String(), reason: Type.String() }),
      ),
    }),
  ),
  tradeOffs: Type.Array(Type.String()),
  pipeline: Type.Object({
    ingest: Type.Enum(["none", "batch", "streaming"]),
    serving: Type.Boolean(),
    reasons: Type.Array(Type.String()),
  }),
  exposure: Type.Array(
    Type.Object({
      regulation: Type.String(),
      rule: Type.String(),
      amount: Type.Optional(Type.String()),
      reckoning: Type.String(),
      source: Type.String(),
    }),
  ),
});
export type ArchitectureDocument = Static<typeof ArchitectureDocument>;

export function architectureJson(architecture: Architecture): ArchitectureDocument {
  const { style, workloads, tradeOffs, pipeline, exposure } = architecture;
  return {
    style,
    workloads: workloads.map(({ workload, asked, choice, tier }) => ({
      workload,
      asked,
      ...(choice.chosen === undefined ? {} : { chosen: choice.chosen }),
      because: choice.because,
      tier: tier.tier,
      tierReasons: [...tier.reasons],
      eliminated: choice.candidates.flatMap(({ placement, eliminatedBy }) =>
        eliminatedBy.map((one) => ({ placement, ...one })),
      ),
    })),
    tradeOffs: [...tradeOffs],
    pipeline: { ...pipeline, reasons: [...pipeline.reasons] },
    exposure: exposure.map(({ amount, ...rest }) => ({
      ...rest,
      ...(amount === undefined ? {} : { amount: formatMoney(amount) }),
    })),
  };
}

/**
 * For a terminal; plans that were kept before there were architectures have none.
 *
 * @param controlCost what compliance adds in a month, beside the fines
 */
export function architectureLines(
  architecture: ArchitectureDocument | undefined,
  controlCost?: string,
): string[] {
  if (!architecture) return [];
  const { style, workloads, tradeOffs, pipeline, exposure } = architecture;
  const asked = workloads.filter((one) => one.asked);
  const ingest = pipeline.ingest === "none" ? "no pipeline" : pipeline.ingest;
  return [
    "",
    `architecture: ${style.replaceAll("_", " ")}`,
    ...asked.map(
      ({ workload, chosen, tier, because }) =>
        `  ${workload.replaceAll("_", " ").padEnd(16)} ${(chosen ?? "nowhere").padEnd(8)} ${tier.padEnd(4)} ${because}`,
    ),
    ...tradeOffs.map((text) => `  accepted: ${text}`),
    `  pipeline: ${ingest}${pipeline.serving ? " and serving" : ""}: ${pipeline.reasons.join("; ")}`,
    ...exposure.map(
      ({ regulation, amount, reckoning, source }) =>
        `  fines: ${regulation} up to ${amount ?? "an unknown amount"} (${reckoning}; ${source})`,
    ),
    ...(exposure.length > 0 && controlCost !== undefined
      ? [`  against them: controls at ${controlCost} a month, expected`]
      : []),
  ];
}
