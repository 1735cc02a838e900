import { type CallContext, PortolanError, parseDigest } from "@portolan/kernel";
import { type CharterDeps, loadCharter } from "./deps.ts";
import { findCharter, lockUseCase, setStatus } from "./store.ts";

/**
 * Takes a version back: a draft, or the one in force, after which nothing governs the use case and nothing of it may be
 * trained, registered or served outside dev.
 *
 * @throws PortolanError `charter.not_withdrawable` when it is superseded or withdrawn already
 */
export async function withdrawCharter(
  deps: CharterDeps,
  call: CallContext,
  charterId: string,
  reason: string,
): Promise<void> {
  const { summary } = await loadCharter(deps, call, charterId, "charter:sign");
  await deps.uow.write(call, async (tx) => {
    await lockUseCase(tx.sql, summary.useCaseId);
    const stored = await findCharter(tx.sql, call.actor.organisationId, charterId);
    const status = stored?.summary.status;
    if (status === undefined || status === "superseded" || status === "withdrawn") {
      throw new PortolanError("charter.not_withdrawable", {
        detail: `version ${summary.version} is ${status ?? "gone"}`,
        mend: "Withdraw a draft or the version in force.",
      });
    }
    await setStatus(tx.sql, charterId, "withdrawn", { endedAt: tx.now });
    const before = parseDigest(summary.digest);
    await tx.record({
      event: "charter.version.withdrawn",
      subject: charterId,
      ...(before ? { before } : {}),
      detail: { useCase: summary.useCase, version: summary.version, was: status, reason },
    });
  });
}
