/** Any value that JSON can hold. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [key: string]: JsonValue };

/**
 * What a type needs to have a JSON form, interfaces included: TypeScript gives these no index signature, so that they
 * are no `JsonObject`. Anything without one (functions, dates, maps, `bigint`) becomes `never`.
 */
export type JsonForm<T> = T extends JsonValue
  ? T
  : T extends readonly (infer Item)[]
    ? readonly JsonForm<Item>[]
    : T extends Date | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | ArrayBufferView
      ? never
      : T extends object
        ? T extends (...parameters: never[]) => unknown
          ? never
          : { readonly [Key in keyof T]: JsonForm<T[Key]> }
        : never;

/** What a text says in JSON; `undefined` where it is none. Pure. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A member of an object of unknown shape; `undefined` where there is no object, or no such member. Pure. */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
