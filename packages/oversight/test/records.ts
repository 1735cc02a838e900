import type { LoggedBody, StoredPrediction } from "@portolan/predictions/contract";
import { testOrganisation } from "@portolan/testkit";

export interface RecordOptions {
  readonly score: number;
  readonly id?: string;
  readonly inputs?: Readonly<Record<string, number | string>>;
  /** What the model gives each class; instead of `score`. */
  readonly probabilities?: readonly number[];
  /** Scores of the rows of a list, whose inputs are their places; instead of `score`. */
  readonly list?: readonly number[];
  /** Names the endpoint too. */
  readonly useCaseId?: string;
}

/** An answered request of one row, as control reads it back. */
export function aRecord({
  score,
  id = "prd_0mwr2jm00abcdefghjkmnpqrst_1_0_0",
  inputs = { amount: 10, country: "DE" },
  useCaseId = "uc_1",
  probabilities = [1 - score, score],
  list,
}: RecordOptions): StoredPrediction {
  const tensors = Object.entries(inputs).map(([name, value]) => ({
    name,
    datatype: typeof value === "string" ? "BYTES" : "FP64",
    shape: [1, 1],
    data: [value],
  }));
  return {
    header: {
      id,
      context: {
        organisationId: testOrganisation,
        useCaseId,
        endpoint: useCaseId,
        environment: "production",
        model: { name: "credit", version: "3", digest: `sha256:${"ab".repeat(32)}` },
        variant: "champion",
        snapshotVersion: 1,
        costTags: {},
      },
      principal: "sa_shop",
      requestId: "req-1",
      receivedAt: 1_795_000_000_000_000,
      latency: { totalMicros: 50 },
      status: { kind: "ok" },
    },
    payload: {
      inputs: bodyOf("inputs", list ? [column("place", [...list.keys()])] : tensors),
      features: [{ name: "tenure_months", value: 2, source: "online" }],
      outputs: list
        ? bodyOf("outputs", [column("score", list)])
        : bodyOf("outputs", [
            { name: "label", datatype: "INT64", shape: [1], data: [Number(score >= 0.5)] },
            {
              name: "probabilities",
              datatype: "FP32",
              shape: [1, probabilities.length],
              data: probabilities,
            },
          ]),
    },
  };
}

const column = (name: string, data: readonly number[]) => ({
  name,
  datatype: "FP64",
  shape: [data.length, 1],
  data,
});

export function bodyOf(member: "inputs" | "outputs", tensors: readonly object[]): LoggedBody {
  return { mediaType: "application/json", bytes: Buffer.from(JSON.stringify({ [member]: tensors })) };
}
