import { Compile, type Static, type TSchema } from "@portolan/typebox";

/** The first place at which a value does not fit its schema. */
export interface Misfit {
  /** JSON pointer (RFC 6901) within the value; empty: the whole of it. */
  readonly path: string;
  /** Continues a sentence that the path began, e.g. `must be >= 1`. */
  readonly problem: string;
}

/** A value that fits its schema, typed; or where it does not. */
export type Fit<T> =
  | { readonly kind: "fits"; readonly value: T }
  | { readonly kind: "misfit"; readonly misfit: Misfit };

/** Holds values against a schema, which is compiled once. The function that it gives is pure. */
export function fitTo<Schema extends TSchema>(schema: Schema): (value: unknown) => Fit<Static<Schema>> {
  const shape = Compile(schema);
  return (value) => {
    if (shape.Check(value)) return { kind: "fits", value };
    const [first] = shape.Errors(value);
    // A closed object tells an unknown member as one that no schema fits.
    const problem = first?.keyword === "boolean" ? "is not known here" : first?.message;
    return {
      kind: "misfit",
      misfit: { path: first?.instancePath ?? "", problem: problem ?? "has another form" },
    };
  };
}

/** e.g. `/limits/burst must be >= 1`. */
export function describeMisfit({ path, problem }: Misfit): string {
  return `${path === "" ? "it" : path} ${problem}`;
}
