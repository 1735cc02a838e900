import type { PredictionContext, PredictionHeader } from "@portolan/predictions/contract";
import { testOrganisation } from "@portolan/testkit";

interface HeaderOptions extends Pick<Partial<PredictionHeader>, "status" | "replayOf"> {
  readonly version: number;
  readonly endpoint?: string;
  readonly environment?: PredictionContext["environment"];
  readonly variant?: PredictionContext["variant"];
  readonly insteadOf?: PredictionContext["insteadOf"];
  readonly snapshotVersion?: number;
  readonly latencyMs?: number;
}

/** The header of a record of the model `churn`: an answer in time under snapshot 7, unless said otherwise. */
export function aHeader(options: HeaderOptions): PredictionHeader {
  const { version, endpoint = "churn", environment = "dev", variant = "champion", insteadOf } = options;
  return {
    id: "prd_1",
    context: {
      organisationId: testOrganisation,
      useCaseId: "uc_1",
      endpoint,
      environment,
      model: { name: "churn", version: String(version), digest: "sha256:" },
      variant,
      ...(insteadOf ? { insteadOf } : {}),
      snapshotVersion: options.snapshotVersion ?? 7,
      costTags: {},
    },
    principal: "sa_1",
    requestId: "req_1",
    receivedAt: 0,
    latency: { totalMicros: (options.latencyMs ?? 1) * 1000 },
    status: options.status ?? { kind: "ok" },
    ...(options.replayOf === undefined ? {} : { replayOf: options.replayOf }),
  };
}
