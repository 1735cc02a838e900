import { parseBytes, parseDurationMs } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { durationFindings } from "./duration-findings.ts";
import type { Finding } from "./schema-findings.ts";
import { closed } from "./schema-parts.ts";
import { ByteSizeText, DurationText, parseRate, RateText } from "./unit-texts.ts";

const msPerMonth = 730 * 3_600_000;

const BatchInference = Type.Object(
  {
    rowsPerRun: Type.Integer({ minimum: 1, maximum: 1e13, description: "Rows that a run scores." }),
    every: Type.Optional(DurationText("A run begins this often. Absent: each night.")),
    timePerRow: Type.Optional(
      DurationText("Time of a row, of a core, or of a card where the model is larger than 1 GB."),
    ),
    window: Type.Optional(DurationText("A run has to be done within this time. Absent: 8h.")),
  },
  { ...closed, description: "How much is scored in batches; the plan prices it apart." },
);

const Retrieval = Type.Object(
  {
    vectors: Type.Integer({ minimum: 1, maximum: 1e12, description: "Vectors that are searched." }),
    vectorSize: Type.Optional(ByteSizeText("Size of a vector: 768 dimensions of four bytes are 3072 B.")),
    searches: Type.Optional(RateText("Searches. Absent: one for each request.")),
    copies: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, description: "Copies of the searched vectors in memory." }),
    ),
  },
  { ...closed, description: "How much is searched; the plan prices it apart." },
);

const FineTuning = Type.Object(
  {
    tokens: Type.Integer({ minimum: 1, maximum: 1e15, description: "Tokens of the examples." }),
    epochs: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: 1000, description: "Times that each example is seen." }),
    ),
    every: Type.Optional(DurationText("The model is tuned this often, runs that fail included.")),
    parameters: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1e14,
        description: "Parameters of the model that is tuned. Absent: two bytes each of the model file.",
      }),
    ),
  },
  { ...closed, description: "How much a model is tuned further; the plan prices it apart." },
);

/** Sizes of what is priced apart, by the member of `workload`. */
export const workloadSizes = {
  batchInference: Type.Optional(BatchInference),
  retrieval: Type.Optional(Retrieval),
  fineTuning: Type.Optional(FineTuning),
};

type Sizes = {
  readonly batchInference?: Static<typeof BatchInference>;
  readonly retrieval?: Static<typeof Retrieval>;
  readonly fineTuning?: Static<typeof FineTuning>;
};

/** Kinds of work (`workload.kinds`) that a size is stated of, by the member of `workload` that states it. */
export const sizedKinds = {
  batchInference: "batch_inference",
  retrieval: "retrieval",
  fineTuning: "fine_tuning",
} as const;

const members = ["batchInference", "retrieval", "fineTuning"] as const;

/** The same as numbers; absent where the charter is silent. Pure. */
export function workloadSizesOf(sizes: Sizes | undefined) {
  const { batchInference: batch, retrieval, fineTuning: tuning } = sizes ?? {};
  const perMonth = (every: string | undefined) =>
    every === undefined ? undefined : msPerMonth / parseDurationMs(every);
  const ms = (text: string | undefined) => (text === undefined ? undefined : parseDurationMs(text));
  const windowMs = ms(batch?.window);
  return {
    batchRowsPerRun: batch?.rowsPerRun,
    batchRunsPerMonth: perMonth(batch?.every),
    batchMsPerRow: ms(batch?.timePerRow),
    batchWindowHours: windowMs === undefined ? undefined : windowMs / 3_600_000,
    retrievalVectors: retrieval?.vectors,
    vectorBytes: retrieval?.vectorSize === undefined ? undefined : parseBytes(retrieval.vectorSize),
    retrievalQueriesPerSecond: retrieval?.searches === undefined ? undefined : parseRate(retrieval.searches),
    retrievalCopies: retrieval?.copies,
    fineTuningTokens: tuning?.tokens,
    fineTuningEpochs: tuning?.epochs,
    fineTuningRunsPerMonth: perMonth(tuning?.every),
    fineTuningParameters: tuning?.parameters,
  };
}

/** What the schema cannot say. Pure. */
export function workloadSizeFindings(
  workload: (Sizes & { readonly kinds?: readonly string[] }) | undefined,
): Finding[] {
  if (!workload) return [];
  const { kinds, batchInference: batch, retrieval, fineTuning: tuning } = workload;
  const at = "/workload";
  const notListed = members.flatMap((member): Finding[] =>
    workload[member] === undefined || kinds === undefined || kinds.includes(sizedKinds[member])
      ? []
      : [
          {
            pointer: `${at}/${member}`,
            detail: `its size is stated, and workload.kinds does not list ${sizedKinds[member]}`,
            mend: `Add ${sizedKinds[member]} to workload.kinds, or leave ${member} out.`,
          },
        ],
  );
  const every = durationFindings(`${at}/batchInference/every`, batch?.every, "1min", "730d");
  const window = durationFindings(`${at}/batchInference/window`, batch?.window, "6min", "730h");
  const overlaps =
    batch?.window !== undefined &&
    every.length + window.length === 0 &&
    parseDurationMs(batch.window) > parseDurationMs(batch.every ?? "1d");
  return [
    ...notListed,
    ...every,
    ...durationFindings(`${at}/batchInference/timePerRow`, batch?.timePerRow, "0.001ms", "1h"),
    ...window,
    ...(overlaps
      ? [
          {
            pointer: `${at}/batchInference/window`,
            detail: `a run may take ${batch.window}, and the next begins after ${batch.every ?? "1d"}`,
            mend: "Shorten the window, or run less often.",
          },
        ]
      : []),
    ...durationFindings(`${at}/fineTuning/every`, tuning?.every, "1min", "100y"),
    ...vectorFindings(retrieval?.vectorSize),
  ];
}

function vectorFindings(text: string | undefined): Finding[] {
  if (text === undefined) return [];
  const bytes = parseBytes(text);
  if (bytes >= 1 && bytes <= 1e6) return [];
  return [
    {
      pointer: "/workload/retrieval/vectorSize",
      detail: `${text} is no vector of 1 B to 1 MB`,
      mend: "State one vector's size: dimensions by bytes of each.",
    },
  ];
}

/** What a plan takes from the sizes, for people: by the member of `workload`. Pure. */
export function sizeStatements(sizes: Sizes): readonly (readonly [member: string, statement: string])[] {
  const { batchInference: batch, retrieval, fineTuning: tuning } = sizes;
  const many = (count: number) => count.toLocaleString("en-US");
  const words = (...parts: readonly (string | undefined)[]) =>
    `${parts.filter((part) => part !== undefined).join(", ")}; priced apart.`;
  return [
    ...(batch
      ? [
          [
            "batchInference",
            words(
              `A batch scores ${many(batch.rowsPerRun)} rows every ${batch.every ?? "1d"}`,
              `within ${batch.window ?? "8h"}`,
              batch.timePerRow && `${batch.timePerRow} each`,
            ),
          ] as const,
        ]
      : []),
    ...(retrieval
      ? [
          [
            "retrieval",
            words(
              `${many(retrieval.vectors)} vectors${retrieval.vectorSize === undefined ? "" : ` of ${retrieval.vectorSize}`} are searched`,
              retrieval.searches ?? "once for each request",
              retrieval.copies === undefined ? undefined : `in ${retrieval.copies} copies`,
            ),
          ] as const,
        ]
      : []),
    ...(tuning
      ? [
          [
            "fineTuning",
            words(
              `A model${tuning.parameters === undefined ? "" : ` of ${many(tuning.parameters)} parameters`} is tuned on ${many(tuning.tokens)} tokens`,
              tuning.epochs === undefined ? undefined : `${tuning.epochs} times each`,
              tuning.every && `every ${tuning.every}`,
            ),
          ] as const,
        ]
      : []),
  ];
}
