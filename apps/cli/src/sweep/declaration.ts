import { PortolanError } from "@portolan/kernel";
import { seededRandom } from "@portolan/numerics";
import { type Static, Type, Value } from "@portolan/typebox";
import type { CliErrorCode } from "../errors.ts";

const closed = { additionalProperties: false };
/** More trials are more hours than anybody reads a table of. */
const mostTrials = 200;
const Param = Type.Union([Type.Number(), Type.String(), Type.Boolean()]);
const Choices = Type.Object({ values: Type.Array(Param, { minItems: 1, maxItems: mostTrials }) }, closed);
const Range = Type.Object(
  {
    from: Type.Number(),
    to: Type.Number(),
    scale: Type.Optional(Type.Enum(["linear", "log"])),
    whole: Type.Optional(Type.Boolean()),
  },
  closed,
);

/** `sweep.json` of a training folder: which parameters are tried, and what the best trial is. */
export const SweepDeclaration = Type.Object(
  {
    method: Type.Enum(["grid", "random"]),
    trials: Type.Optional(Type.Integer({ minimum: 1, maximum: mostTrials })),
    seed: Type.Optional(Type.Integer({ minimum: 0, maximum: 4_294_967_295 })),
    params: Type.Record(Type.String(), Type.Union([Choices, Range])),
    metric: Type.String({ minLength: 1, maxLength: 250 }),
    direction: Type.Enum(["minimize", "maximize"]),
  },
  closed,
);
export type SweepDeclaration = Static<typeof SweepDeclaration>;
export type TrialParams = Readonly<Record<string, Static<typeof Param>>>;

/** @throws PortolanError `cli.bad_file` with the first thing that is wrong */
export function parseSweep(path: string, value: unknown): SweepDeclaration {
  if (!Value.Check(SweepDeclaration, value)) {
    const [first] = Value.Errors(SweepDeclaration, value);
    throw badSweep(path, `${first?.instancePath || "it"} ${first?.message ?? "is not as it should be"}`);
  }
  for (const [name, range] of Object.entries(value.params)) {
    if ("values" in range) continue;
    if (value.method === "grid") throw badSweep(path, `a grid lists the values of ${name}`);
    if (range.from >= range.to) throw badSweep(path, `${name} goes from a number to a larger one`);
    if (range.scale === "log" && range.from <= 0)
      throw badSweep(path, `${name} is above 0 on a logarithmic scale`);
  }
  if (value.method === "random" && value.trials === undefined)
    throw badSweep(path, "a random search says how many trials");
  const size = Object.values(value.params).reduce(
    (product, one) => product * ("values" in one ? one.values.length : 1),
    1,
  );
  if (value.method === "grid" && size > mostTrials)
    throw badSweep(path, `its grid has ${size} points, and ${mostTrials} are the most`);
  return value;
}

/** The parameters of each trial, in their order; the same declaration gives the same ones. Pure. */
export function trialsOf({ method, trials = 1, seed = 0, params }: SweepDeclaration): TrialParams[] {
  const names = Object.keys(params).toSorted();
  if (method === "grid")
    return names.reduce<TrialParams[]>(
      (made, name) => {
        const range = params[name];
        const values = range && "values" in range ? range.values : [];
        return made.flatMap((trial) => values.map((value) => ({ ...trial, [name]: value })));
      },
      [{}],
    );
  const random = seededRandom(seed);
  return Array.from({ length: trials }, () =>
    Object.fromEntries(names.map((name) => [name, drawn(params[name], random())])),
  );
}

/** @param share in [0, 1) */
function drawn(range: SweepDeclaration["params"][string] | undefined, share: number): Static<typeof Param> {
  if (range === undefined) return 0;
  if ("values" in range) return range.values[Math.floor(share * range.values.length)] ?? 0;
  const { from, to, scale, whole } = range;
  const last = whole === true ? to + 1 : to;
  const value = scale === "log" ? from * (last / from) ** share : from + (last - from) * share;
  return whole === true ? Math.min(to, Math.floor(value)) : value;
}

function badSweep(path: string, why: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.bad_file", {
    detail: `${path} cannot be used: ${why}`,
    mend: "See docs/training.md, Sweeps.",
  });
}
