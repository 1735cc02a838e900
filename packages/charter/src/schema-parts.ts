import { type TArray, type TEnum, Type } from "@portolan/typebox";

/** What the charter's schema is made of, member by member. */
export const closed = { additionalProperties: false } as const;
const slug = "^[a-z0-9]+(-[a-z0-9]+)*$";

export function Slug(description: string) {
  return Type.String({
    pattern: slug,
    description: `${description} Lower case letters, digits and hyphens.`,
  });
}
export function Prose(description: string) {
  return Type.String({ minLength: 10, maxLength: 4000, description });
}
export function OneOf<Value extends string>(values: readonly Value[], description: string): TEnum<Value[]> {
  return Type.Enum([...values], { description });
}
export function ListOf<Value extends string>(
  values: readonly Value[],
  description: string,
): TArray<TEnum<Value[]>> {
  return Type.Array(Type.Enum([...values]), { uniqueItems: true, maxItems: 64, description });
}
