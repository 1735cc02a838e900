import { PortolanError } from "@portolan/kernel";
import { Compile, type Static, type TSchema, Type } from "@portolan/typebox";
import type { AdoptionErrorCode } from "./errors.ts";

/** What the two Python programs of this package say. Their input is a stranger's, so their word is checked like a request's. */

const Text = Type.String({ maxLength: 700 });
const Line = Type.Integer({ minimum: 1, maximum: 10_000_000 });
/** Number of the unit, and a line in it. */
const At = Type.Tuple([Type.Integer({ minimum: 0 }), Line]);
const Argument = Type.Object({
  /** A literal. */
  value: Type.Optional(Type.Union([Text, Type.Number(), Type.Boolean(), Type.Null()])),
  /** Variables that the expression is made of. */
  names: Type.Optional(Type.Array(Text)),
});
const Call = Type.Object({
  at: At,
  /** `sklearn.preprocessing.StandardScaler.fit` for `scaler.fit`. */
  name: Text,
  args: Type.Array(Argument),
  keywords: Type.Record(Text, Argument),
  /** The variable whose method is called. */
  on: Type.Optional(Text),
  /** What the result is assigned to. */
  targets: Type.Optional(Type.Array(Text)),
  /** The function that it stands in. */
  function: Type.Optional(Text),
});

const SourceFactsSchema = Type.Object({
  python: Text,
  /** Modules of the standard library. */
  standard: Type.Array(Text),
  units: Type.Array(
    Type.Object({
      name: Text,
      lines: Line,
      problem: Type.Optional(Type.Object({ line: Line, message: Text })),
    }),
  ),
  imports: Type.Array(Type.Object({ at: At, module: Text })),
  calls: Type.Array(Call),
  texts: Type.Array(Type.Object({ at: At, value: Text, name: Type.Optional(Text) })),
  functions: Type.Array(Type.Object({ at: At, name: Text, decorators: Type.Array(Text) })),
  asserts: Type.Array(Type.Object({ at: At })),
});
export type SourceFacts = Static<typeof SourceFactsSchema>;
export type SourceCall = Static<typeof Call>;

const PickleFactsSchema = Type.Object({
  /** Names that the pickle imports, and those of them that no estimator needs. */
  names: Type.Array(Text),
  refused: Type.Array(Text),
  warnings: Type.Optional(Type.Array(Text)),
  estimator: Type.Optional(
    Type.Object({
      kind: Text,
      params: Type.Optional(
        Type.Record(Text, Type.Union([Text, Type.Number(), Type.Boolean(), Type.Null()])),
      ),
      steps: Type.Optional(Type.Array(Type.Tuple([Text, Text]))),
      features: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000_000 })),
      featureNames: Type.Optional(Type.Array(Text)),
      classes: Type.Optional(Type.Array(Text)),
    }),
  ),
  failure: Type.Optional(Type.Object({ stage: Type.Enum(["open", "convert"]), message: Text })),
});
export type PickleFacts = Static<typeof PickleFactsSchema>;

const ProbesSchema = Type.Object({
  rows: Type.Integer({ minimum: 1, maximum: 1000 }),
  /** Row by row. */
  inputs: Type.Array(
    Type.Object({
      name: Text,
      columns: Type.Integer({ minimum: 1, maximum: 100_000 }),
      values: Type.Array(Type.Union([Type.Number(), Text])),
    }),
  ),
  expected: Type.Array(Type.Array(Type.Number()), { maxItems: 1000 }),
  of: Type.Enum(["scores", "values"]),
});
/** Rows that the conversion is compared on, and what the estimator itself said of them: scores by class, or values. */
export type Probes = Static<typeof ProbesSchema>;

/** @throws PortolanError `adoption.reading_failed` */
export const readSourceFacts = reader(SourceFactsSchema);
/** @throws PortolanError `adoption.reading_failed` */
export const readPickleFacts = reader(PickleFactsSchema);
/** @throws PortolanError `adoption.reading_failed` */
export const readProbes = reader(ProbesSchema);

function reader<Schema extends TSchema>(schema: Schema): (text: string) => Static<Schema> {
  const compiled = Compile(schema);
  return (text) => {
    const value = parsed(text);
    if (compiled.Check(value)) return value;
    throw new PortolanError<AdoptionErrorCode>("adoption.reading_failed", {
      detail: "what the examining program left is not as it should be",
      mend: "The file it examined may have changed it: do not use that file.",
    });
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
