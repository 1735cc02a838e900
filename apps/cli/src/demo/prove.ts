import type { Explanation } from "@portolan/evaluation/contract";
import { formatInstant, isPortolanError } from "@portolan/kernel";
import { fetchProof, judgeFetchedProof, verifyOnline } from "../commands/audit.ts";
import { shortest } from "../commands/explain.ts";
import { checkParity, type ParityReport } from "../parity/check-parity.ts";
import { check, until } from "./narrator.ts";
import { purpose } from "./traffic.ts";
import { count, endpointName, type World } from "./world.ts";

/** What the gateway served is what training would see: every value of the replayed traffic, derived again offline. */
export async function parityStep(world: World): Promise<string[]> {
  const { mara } = world.cast.as;
  const { replayedFrom, summary } = world;
  const order = {
    endpoint: endpointName,
    useCaseId: world.cast.useCaseId,
    purpose,
    query: replayedFrom === undefined ? {} : { from: formatInstant(replayedFrom) },
    limit: summary.served ?? 0,
    examples: 1,
  };
  let report: ParityReport | undefined;
  await until(async () => {
    report = await checkParity(mara, order, () => undefined);
    return report.records === summary.served;
  }, "not all predictions of the replay reached the index");
  const { compared = 0, mismatches = 0, features = [], skipped = {} } = report ?? {};
  const example = features.flatMap(({ feature, examples }) =>
    examples.map((one) => ({ feature, ...one })),
  )[0];
  check(compared > 0, "no served feature value could be compared");
  check(
    mismatches === 0,
    `${mismatches} of ${compared} served values differ, such as ${JSON.stringify(example)}`,
  );
  summary.parity = { compared, mismatches };
  return [
    `${count(compared)} values of ${features.length} features derived again offline: ${mismatches} differ`,
    ...Object.entries(skipped).map(([why, times]) => `${count(times)} passed over: ${why}`),
  ];
}

/** Why one prediction is what it is, from its record alone; the model is run again on what the record says that it got. */
export async function explainStep(world: World): Promise<string[]> {
  const { otto } = world.cast.as;
  const id = world.lastPrediction ?? "";
  const path = `/v1/predictions/${id}/explanation?top=3&fixed=distance_miles`;
  let found = await otto.json<Explanation>({ path }).catch(notYetExplained);
  await until(async () => {
    found ??= await otto.json<Explanation>({ path }).catch(notYetExplained);
    return found !== undefined;
  }, `prediction ${id} could not be explained`);
  if (!found) throw new Error("unreachable");
  const { contributions, counterfactual, decided, reproduced, score, expected } = found;
  check(reproduced !== "no", `run again, the model gives another answer for ${id}`);
  const turned = counterfactual?.changes.map(({ column, to }) => `${column} were ${shortest(to)}`);
  return [
    `${id}: run again, the model gives the recorded answer ${reproduced === "exactly" ? "exactly" : "to rounding"}, ${decided === "0" ? "on time" : "late"}`,
    `the log odds of being late are ${score.toFixed(2)}, on average ${expected.toFixed(2)}`,
    ...contributions.map(({ reason }) => reason),
    turned ? `otherwise if ${turned.join(" and ")}` : "no small change would turn it",
  ];
}

/** The record is not in the index yet, the background is still counted, or others are explained. */
const passing = ["kernel.not_found", "evaluation.no_background", "evaluation.explainer_busy"];

function notYetExplained(error: unknown): undefined {
  if (isPortolanError(error) && passing.includes(error.code)) return undefined;
  throw error;
}

/** Everything above is on the ledger: verified as a whole, and one prediction proved to an outsider. */
export async function auditStep(world: World): Promise<string[]> {
  const { otto } = world.cast.as;
  const id = world.lastPrediction ?? "";
  let proof: Awaited<ReturnType<typeof fetchProof>> | undefined;
  await until(async () => {
    proof = await fetchProof(otto, id).catch(() => undefined);
    return proof !== undefined;
  }, `prediction ${id} did not reach the ledger`);
  const verdict = proof ? judgeFetchedProof(proof) : { proved: false, detail: "no proof" };
  check(verdict.proved, `the proof does not hold: ${verdict.detail}`);
  const report = await verifyOnline({ ...world.context, persona: "otto" });
  check(
    report.verified,
    `the ledger does not verify: ${report.findings.map((finding) => finding.detail).join("; ")}`,
  );
  world.summary.verified = { rows: report.provedRows, checkpoints: report.checkpoints };
  return [
    `${count(report.provedRows)} rows verified under ${report.checkpoints} signed checkpoints`,
    `prediction ${id} proved offline from its proof alone`,
  ];
}
