import { parseDurationMs } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { durationFindings } from "./duration-findings.ts";
import type { Finding } from "./schema-findings.ts";
import { closed } from "./schema-parts.ts";
import { DurationText } from "./unit-texts.ts";

const CardBatch = Type.Object(
  {
    time: DurationText("A batch takes this on a card, whatever is in it."),
    perRequest: Type.Optional(
      DurationText("Each request of a batch adds this. Absent: by the model's size."),
    ),
    requests: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 4096, description: "Requests of a batch at most. Absent: 32." }),
    ),
  },
  { ...closed, description: "What a card takes that answers; the plan reckons by it how many there are." },
);

/** What a prediction was measured to take, by the member of `workload`. */
export const predictionTimes = {
  predictionTime: Type.Optional(
    DurationText("CPU time of one prediction, with what is looked up and its record in the log."),
  ),
  cardBatch: Type.Optional(CardBatch),
};

type Times = {
  readonly predictionTime?: string;
  readonly cardBatch?: Static<typeof CardBatch>;
};

/** The same as numbers; absent where the charter is silent. Pure. */
export function predictionTimesOf({ predictionTime, cardBatch }: Times = {}) {
  const ms = (text: string | undefined) => (text === undefined ? undefined : parseDurationMs(text));
  return {
    predictionMs: ms(predictionTime),
    cardBatchMs: ms(cardBatch?.time),
    cardRequestMs: ms(cardBatch?.perRequest),
    cardBatchRequests: cardBatch?.requests,
  };
}

/** What the schema cannot say. Pure. */
export function predictionTimeFindings({ predictionTime, cardBatch }: Times = {}): Finding[] {
  return [
    ...durationFindings("/workload/predictionTime", predictionTime, "0.001ms", "1h"),
    ...durationFindings("/workload/cardBatch/time", cardBatch?.time, "0.001ms", "1h"),
    ...durationFindings("/workload/cardBatch/perRequest", cardBatch?.perRequest, "0ms", "1h"),
  ];
}

/** What a plan takes from them, for people: by the member of `workload`. Pure. */
export function timeStatements(times: Times): readonly (readonly [member: string, statement: string])[] {
  const { predictionTime, cardBatch } = times;
  const more = [
    cardBatch?.perRequest && `${cardBatch.perRequest} more for each request`,
    cardBatch?.requests && `${cardBatch.requests} requests at most`,
  ].filter((part) => part !== undefined);
  return [
    ...(predictionTime === undefined
      ? []
      : [["predictionTime", `A prediction takes ${predictionTime} of a core.`] as const]),
    ...(cardBatch
      ? [["cardBatch", `A batch takes ${[`${cardBatch.time} on a card`, ...more].join(", ")}.`] as const]
      : []),
  ];
}
