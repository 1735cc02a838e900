import type { FeatureValue, PredictionHeader } from "@portolan/predictions/contract";

/** How an endpoint's version takes features: the part of its plan that says which entity each view was asked for. */
export interface ServingPlan {
  readonly views: readonly {
    readonly name: string;
    readonly digest: string;
    readonly entityKeys: readonly string[];
    /** What the view computes on demand reads these of a request. */
    readonly onDemand?: { readonly request: readonly { readonly name: string; readonly type: string }[] };
  }[];
  readonly columns: readonly unknown[];
}

export interface LoggedPrediction {
  readonly header: PredictionHeader;
  readonly withheld?: string;
  readonly inputs?: { readonly mediaType: string; readonly text?: string };
  readonly features?: readonly FeatureValue[];
}

/** What one row of a prediction was given by one view. */
export interface ServedValues {
  readonly prediction: string;
  readonly environment: string;
  readonly row: number;
  /** `name@version`. */
  readonly view: string;
  readonly digest: string;
  readonly key: readonly string[];
  /** What the request brought for its on-demand features. */
  readonly request?: Readonly<Record<string, unknown>>;
  /** The moment T that the values were read for, epoch microseconds. */
  readonly at: number;
  /** By the clock on the wall, epoch microseconds. */
  readonly servedAt: number;
  /** Names without the view's. */
  readonly features: readonly FeatureValue[];
}

/** What a recorded prediction was given by each view, or why that cannot be told. Pure. */
export function servedValues(
  record: LoggedPrediction,
  plan: ServingPlan | undefined,
): ServedValues[] | string {
  const { header, features, inputs, withheld } = record;
  if (header.status.kind === "read") return "no predictions: features were read";
  if (withheld !== undefined) return "payload is gone";
  if (!features || features.length === 0) return "no features were looked up";
  if (!plan) return "its version is not deployed any more";
  const columns = inputs?.text === undefined ? undefined : columnsOf(inputs.text);
  const perRow = plan.columns.length;
  if (!columns) return "inputs are not JSON of the Open Inference Protocol";
  if (perRow === 0 || features.length % perRow !== 0)
    return "features are of another plan than the one deployed";
  const rows = Array.from({ length: features.length / perRow }, (_, row) =>
    features.slice(row * perRow, (row + 1) * perRow),
  );
  const served: ServedValues[] = [];
  for (const [row, values] of rows.entries())
    for (const { name: view, digest, entityKeys, onDemand } of plan.views) {
      const key = entityKeys.map((name) => columns.get(name)?.[row]);
      const own = values.flatMap((value) =>
        value.name.startsWith(`${view}.`) ? [{ ...value, name: value.name.slice(view.length + 1) }] : [],
      );
      if (own.length === 0) continue;
      // Nothing was read: there is nothing to compare.
      if (own.some(({ status }) => status === "unavailable")) return "the online store did not answer";
      if (key.includes(undefined)) return "an entity key is not among its inputs";
      const request = onDemand?.request.map(({ name, type }) => [
        name,
        cellOf(columns.get(name)?.[row], type),
      ]);
      if (request?.some(([, cell]) => cell === undefined)) return "a request field is not among its inputs";
      served.push({
        prediction: header.id,
        environment: header.context.environment,
        row,
        view,
        digest,
        key: key.map(String),
        ...(request ? { request: Object.fromEntries(request) as Record<string, unknown> } : {}),
        at: header.eventTime ?? header.receivedAt,
        servedAt: header.receivedAt,
        features: own,
      });
    }
  return served;
}

/** Of a type as the offline path takes it: a truth value may have come as 0 or 1. */
function cellOf(cell: unknown, type: string): unknown {
  return type === "bool" && typeof cell === "number" ? cell !== 0 : cell;
}

/** Inputs by name, each flat: entity keys are one value per row. */
function columnsOf(text: string): Map<string, readonly unknown[]> | undefined {
  const body = parsed(text);
  if (typeof body !== "object" || body === null || !("inputs" in body) || !Array.isArray(body.inputs))
    return undefined;
  const columns = new Map<string, readonly unknown[]>();
  for (const input of body.inputs as readonly unknown[]) {
    if (typeof input !== "object" || input === null || !("name" in input) || !("data" in input))
      return undefined;
    if (typeof input.name !== "string" || !Array.isArray(input.data)) return undefined;
    columns.set(input.name, input.data.flat(Number.POSITIVE_INFINITY));
  }
  return columns;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
