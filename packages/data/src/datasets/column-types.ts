import type { ColumnTypes } from "@portolan/expressions";

/** Digits that a contract keeps after the point of its numbers, by column. */
export function columnScales(
  columns: readonly { readonly name: string; readonly scale?: number }[],
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    columns.flatMap(({ name, scale }) => (scale === undefined ? [] : [[name, scale]])),
  );
}

/** Types of a dataset's columns as expressions see them. */
export function columnTypes(
  columns: readonly { readonly name: string; readonly type: string }[],
): ColumnTypes {
  const types = {
    string: "text",
    integer: "int",
    number: "float",
    boolean: "bool",
    instant: "instant",
    local: "local",
  } as const;
  return Object.fromEntries(
    columns.flatMap(({ name, type }) =>
      Object.hasOwn(types, type) ? [[name, types[type as keyof typeof types]]] : [],
    ),
  );
}
