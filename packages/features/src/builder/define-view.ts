import type { Expression, ValueType } from "@portolan/expressions";
import { type Digest, PortolanError } from "@portolan/kernel";
import type { FeatureErrorCode } from "../errors.ts";
import type { RequestField } from "../on-demand/on-demand-model.ts";
import { featureViewDigest, readFeatureView } from "../read-view.ts";
import type { FeatureView } from "../view-model.ts";
import type { FeatureDefinition, Terms } from "./features.ts";
import { Term } from "./term.ts";

type ColumnType = Exclude<ValueType, "null">;

/** A published data contract, as far as its views need to know it. */
export interface ContractShape<Columns extends Readonly<Record<string, ColumnType>>> {
  readonly name: string;
  readonly columns: Columns;
  /** As the contract states them; by them events in a log are told apart. */
  readonly primaryKey?: readonly (keyof Columns & string)[];
  /** `portolan.scale` of its numbers. */
  readonly scales?: { readonly [Column in keyof Columns]?: number };
}

/** A contract's name and columns, with the types that expressions see (docs/spec/expressions.md §1). */
export function contract<const Columns extends Readonly<Record<string, ColumnType>>>(
  name: string,
  columns: Columns,
  more: Omit<ContractShape<Columns>, "name" | "columns"> = {},
): ContractShape<Columns> {
  return { name, columns, ...more };
}

type FieldTypes = Readonly<Record<string, RequestField["type"]>>;

/** What a view's YAML says (docs/feature-views.md), with columns and fields as terms. */
export interface ViewDefinition<
  Columns extends Readonly<Record<string, ColumnType>>,
  Fields extends FieldTypes,
> {
  readonly name: string;
  /** Raised when a published view is to mean something else; 1 by default. */
  readonly version?: number;
  readonly description?: string;
  readonly source: ContractShape<Columns>;
  /** Columns that name an entity, or keys with the columns that they are read from, in key order. */
  readonly entity: readonly (keyof Columns & string)[] | Readonly<Record<string, keyof Columns & string>>;
  readonly eventTime: keyof Columns & string;
  /** When an event was known; at once by default. */
  readonly available?: (columns: Terms<Columns>) => Term<"instant">;
  readonly ttl: string;
  /** Windows over the view's feature log, not over one dataset. */
  readonly events?: "log";
  /** Accepted events count online at once, and not with their batch; of values, or of windows over a log (docs/spec/features.md, F53). */
  readonly online?: "accepted";
  /** True in a row that withdraws. */
  readonly tombstone?: (columns: Terms<Columns>) => Term<"bool">;
  /** Fields of a request that on-demand features read. */
  readonly request?: Fields;
  /** Features by name, in their order. */
  readonly features: (columns: Terms<Columns>) => Readonly<Record<string, FeatureDefinition>>;
  /** Features that are computed on demand, over request fields and the view's other features (by name: `feature` as doubles, `text` those that are texts). */
  readonly onDemand?: (
    fields: Terms<Fields>,
    feature: (name: string) => Term<"float">,
    text: (name: string) => Term<"text">,
  ) => Readonly<Record<string, FeatureDefinition>>;
}

/** A view that was defined in TypeScript. */
export interface DefinedView {
  readonly name: string;
  /** The YAML that means it, for `PUT /v1/feature-views/<name>`; `portolan apply` sends it. */
  readonly document: string;
  /** Its canonical form, as the server reads it where the contract is as stated. */
  readonly view: FeatureView;
  readonly digest: Digest;
}

/**
 * Defines a feature view in TypeScript: the same canonical form, and so the same digest, as YAML that says the same. Pure.
 *
 * @example
 * const flights = contract("flights", { departed_at: "instant", origin: "text", delay: "int" });
 * export const departures = defineView({
 *   name: "departures",
 *   source: flights,
 *   entity: { airport: "origin" },
 *   eventTime: "departed_at",
 *   available: ({ departed_at }) => departed_at.plus(hours(3)),
 *   ttl: "24h",
 *   features: ({ delay }) => ({
 *     delay_3h: mean(delay, { window: "3h" }),
 *     late_24h: count({ window: "24h", where: delay.gt(15) }),
 *   }),
 * });
 *
 * @throws PortolanError `features.view_invalid` with what YAML would be refused for, `expressions.type`
 */
export function defineView<
  const Columns extends Readonly<Record<string, ColumnType>>,
  const Fields extends FieldTypes = Readonly<Record<never, never>>,
>(definition: ViewDefinition<Columns, Fields>): DefinedView {
  const { name, source } = definition;
  const document = documentOf(definition);
  const view = readFeatureView(
    document,
    `${name}.yaml`,
    () => source.columns,
    () => source.primaryKey ?? [],
    () => statedScales(source),
  );
  return { name, document, view, digest: featureViewDigest(view) };
}

function statedScales<Columns extends Readonly<Record<string, ColumnType>>>({
  scales = {},
}: ContractShape<Columns>): Record<string, number> {
  return Object.fromEntries(
    Object.entries<number | undefined>(scales).flatMap(([name, scale]) =>
      scale === undefined ? [] : [[name, scale]],
    ),
  );
}

/** One member a line; every scalar quoted, so that YAML reads what was written. */
function documentOf<Columns extends Readonly<Record<string, ColumnType>>, Fields extends FieldTypes>(
  definition: ViewDefinition<Columns, Fields>,
): string {
  const { source, entity, available, tombstone, request, features, onDemand } = definition;
  const columns = termsOf(source.columns);
  const keys = Array.isArray(entity)
    ? entity.map((column: string) => ({ name: column, column }))
    : Object.entries(entity as Readonly<Record<string, string>>).map(([key, column]) => ({
        name: key,
        column,
      }));
  const fields = termsOf(request ?? ({} as Fields));
  const computed =
    onDemand?.(
      fields,
      (feature) => new Term({ op: "column", name: feature, type: "float" }),
      (feature) => new Term({ op: "column", name: feature, type: "text" }),
    ) ?? {};
  const stored = features(columns);
  const twice = Object.keys(computed).find((feature) => Object.hasOwn(stored, feature));
  if (twice !== undefined)
    throw new PortolanError<FeatureErrorCode>("features.view_invalid", {
      detail: `${definition.name} has two features ${twice}`,
      mend: "Rename one of them.",
    });
  const members: readonly (readonly [string, unknown])[] = [
    ["apiVersion", "portolan/v1"],
    ["kind", "FeatureView"],
    ["name", definition.name],
    ["version", definition.version ?? 1],
    ["description", definition.description],
    ["source", source.name],
    ["entity", keys],
    ["eventTime", definition.eventTime],
    ["available", available?.(columns).text()],
    ["ttl", definition.ttl],
    ["events", definition.events],
    ["online", definition.online],
    ["tombstone", tombstone?.(columns).text()],
    ["request", request && Object.entries(request).map(([field, type]) => ({ name: field, type }))],
    [
      "features",
      Object.entries({ ...stored, ...computed }).map(([feature, of]) => ({ name: feature, ...written(of) })),
    ],
  ];
  return members.flatMap(([member, value]) => (value === undefined ? [] : [line(member, value)])).join("");
}

function line(member: string, value: unknown): string {
  if (!Array.isArray(value)) return `${member}: ${JSON.stringify(value)}\n`;
  return `${member}:\n${value.map((item) => `  - ${JSON.stringify(item)}\n`).join("")}`;
}

function written(definition: FeatureDefinition): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(definition).flatMap(([member, of]: readonly [string, unknown]) =>
      of === undefined ? [] : [[member, of instanceof Term ? of.text() : of]],
    ),
  );
}

function termsOf<Types extends Readonly<Record<string, ColumnType>>>(types: Types): Terms<Types> {
  const entries = Object.entries(types).map(
    ([name, type]) => [name, new Term({ op: "column", name, type } as Expression)] as const,
  );
  return Object.fromEntries(entries) as Terms<Types>;
}

/** Microseconds, as times are added up in them. */
export function minutes(count: number): number {
  return count * 60_000_000;
}

export function hours(count: number): number {
  return minutes(count * 60);
}

export function days(count: number): number {
  return hours(count * 24);
}
