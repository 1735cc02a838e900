/** One column that another depends on. `field` is absent where the whole dataset depends on it. */
export interface ColumnEdge {
  readonly field?: string;
  readonly from: { readonly namespace: string; readonly name: string; readonly field: string };
  readonly transformations: readonly Transformation[];
}

export interface Transformation {
  readonly type: "DIRECT" | "INDIRECT" | (string & {});
  readonly subtype?: string;
  readonly description?: string;
  readonly masking?: boolean;
}

/**
 * The edges of a columnLineage facet, of any of its versions: 1-0 has one transformation beside the fields, 1-2 a list in each of
 * them. What is not in its form is passed over; the facet itself is kept as it is. Pure.
 */
export function columnEdges(facet: Readonly<Record<string, unknown>>): ColumnEdge[] {
  const edges: ColumnEdge[] = [];
  for (const [field, stated] of Object.entries(recordOf(facet["fields"]))) {
    const { inputFields, transformationType, transformationDescription } = recordOf(stated);
    const older =
      typeof transformationType === "string"
        ? [{ type: "DIRECT", subtype: transformationType, ...described(transformationDescription) }]
        : [];
    for (const input of listOf(inputFields)) edges.push(...edgeOf(input, older, field));
  }
  for (const input of listOf(facet["dataset"])) edges.push(...edgeOf(input, []));
  return edges;
}

function edgeOf(input: unknown, older: readonly Transformation[], field?: string): ColumnEdge[] {
  const { namespace, name, field: from, transformations } = recordOf(input);
  if (typeof namespace !== "string" || typeof name !== "string" || typeof from !== "string") return [];
  const stated = listOf(transformations).flatMap(transformationOf);
  const edge = {
    from: { namespace, name, field: from },
    transformations: stated.length > 0 ? stated : older,
  };
  return [field === undefined ? edge : { field, ...edge }];
}

function transformationOf(value: unknown): Transformation[] {
  const { type, subtype, description, masking } = recordOf(value);
  if (typeof type !== "string") return [];
  return [
    {
      type,
      ...(typeof subtype === "string" ? { subtype } : {}),
      ...described(description),
      ...(typeof masking === "boolean" ? { masking } : {}),
    },
  ];
}

function described(text: unknown): { readonly description?: string } {
  return typeof text === "string" ? { description: text } : {};
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
