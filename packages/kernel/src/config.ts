import { type Static, type TObject, type TSchema, type TUnsafe, Type, Value } from "@portolan/typebox";
import { PortolanError, type Violation } from "./errors.ts";
import { Secret } from "./secret.ts";

/** Marks an environment variable whose value is wrapped in `Secret`. */
export const secretFormat = "portolan-secret";

export function secretText(description: string): TUnsafe<Secret> {
  return Type.Unsafe<Secret>({ type: "string", format: secretFormat, description });
}

/**
 * Reads a frozen configuration from environment variables; pure. All problems are reported at once.
 * Keys of the schema are the variables' names; defaults and bounds are the schema's. An unset or empty variable takes
 * the default, and is left out when the property is optional.
 *
 * @throws PortolanError `kernel.bad_configuration` naming each variable, what is wrong and what it is for.
 */
export function loadConfig<Schema extends TObject>(
  schema: Schema,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Static<Schema>> {
  const raw: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties)) {
    const text = env[name];
    if (text !== undefined && text !== "") raw[name] = fromText(property, text);
  }
  const value = Value.Default(schema, raw) as Record<string, unknown>;
  // Property by property: the library stops at eight findings, and one setting of many choices has as many.
  const violations: Violation[] = Object.entries(schema.properties)
    .flatMap(([name, property]) => {
      const single = Object.hasOwn(value, name) ? { [name]: value[name] } : {};
      const one = Type.Object({ [name]: property });
      return Value.Check(one, single) ? [] : [...Value.Errors(one, single)];
    })
    // A choice reports each of its values, and then that none of them fits: the last is enough, with their names.
    .filter((error) => error.keyword !== "const")
    .map((error) => describe(schema, error));
  if (violations.length > 0) {
    const detail = violations.map((violation) => violation.detail).join("; ");
    throw new PortolanError("kernel.bad_configuration", { detail, violations });
  }
  for (const [name, property] of Object.entries(schema.properties)) {
    if ("format" in property && property.format === secretFormat && typeof value[name] === "string") {
      value[name] = new Secret(value[name]);
    }
  }
  return Object.freeze(value) as Readonly<Static<Schema>>;
}

function fromText(property: TSchema, text: string): unknown {
  const type = "type" in property ? property.type : undefined;
  if (type === "integer" || type === "number") {
    const number = Number(text);
    return text.trim() === "" || Number.isNaN(number) ? text : number;
  }
  if (type === "boolean")
    return text === "true" || text === "1" ? true : text === "false" || text === "0" ? false : text;
  return text;
}

interface SchemaFinding {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params?: unknown;
}

function describe(schema: TObject, finding: SchemaFinding): Violation {
  const missing = finding.keyword === "required" ? requiredNames(finding.params) : undefined;
  const name = missing ?? finding.instancePath.replace(/^\//, "");
  const property = schema.properties[name];
  const purpose = property && "description" in property ? ` (${String(property.description)})` : "";
  return {
    detail: missing ? `${name} is not set${purpose}` : `${name} ${rule(property, finding)}${purpose}`,
    at: { pointer: `/${name}` },
  };
}

function rule(property: TSchema | undefined, finding: SchemaFinding): string {
  if (finding.keyword !== "anyOf" || property === undefined || !("anyOf" in property)) return finding.message;
  const choices = (property.anyOf as readonly TSchema[]).flatMap((one) =>
    "const" in one ? [String(one.const)] : [],
  );
  return choices.length === 0 ? finding.message : `must be one of: ${choices.join(", ")}`;
}

function requiredNames(params: unknown): string | undefined {
  if (typeof params !== "object" || params === null || !("requiredProperties" in params)) return undefined;
  const names = params.requiredProperties;
  return Array.isArray(names) ? names.join(", ") : undefined;
}
