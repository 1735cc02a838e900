import { Readable } from "node:stream";
import { PortolanError, type Violation } from "@portolan/kernel";
import type { FastifyInstance, FastifyRequest } from "fastify";

/** Enough to find the place by; a request full of them is refused all the same. */
const maxViolations = 20;

/**
 * Refuses what no store can hold and no route can mean: a NUL character in a text (PostgreSQL has none), and a number that is
 * not finite (JSON's `1e400` is read as infinity). In one place, so that no route has to think of it.
 */
export function refuseImpossibleValues(app: FastifyInstance): void {
  app.addHook("preValidation", async (request) => {
    if (isPossible(request)) return;
    const violations = findImpossible(request);
    throw new PortolanError("kernel.bad_request", {
      detail: "the request holds values that cannot be stored",
      mend: "Leave NUL characters out, and send numbers that JSON can carry.",
      violations,
    });
  });
}

/** Says it alone, without places: a body of a thousand points has ten thousand values, and hardly ever one of these. */
function isPossible(request: FastifyRequest): boolean {
  const open: unknown[] = [request.params, request.query, request.body];
  while (open.length > 0) {
    const value = open.pop();
    if (impossible(value) !== undefined) return false;
    if (!hasMembers(value)) continue;
    if (Array.isArray(value)) {
      for (const member of value) open.push(member as unknown);
      continue;
    }
    for (const name of Object.keys(value)) {
      if (name.includes("\0")) return false;
      open.push((value as Readonly<Record<string, unknown>>)[name]);
    }
  }
  return true;
}

function findImpossible(request: FastifyRequest): Violation[] {
  const violations: Violation[] = [];
  const parts = [request.params, request.query, request.body];
  const open = parts.map((value) => ({ value, pointer: "" }));
  // A stack of our own: a body may nest deeper than the engine's.
  for (let next = open.pop(); next && violations.length < maxViolations; next = open.pop()) {
    const { value, pointer } = next;
    const found = impossible(value);
    if (found !== undefined) violations.push({ detail: `${pointer || "/"} ${found}`, at: { pointer } });
    if (!hasMembers(value)) continue;
    for (const [name, member] of Object.entries(value)) {
      const at = `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      if (name.includes("\0"))
        violations.push({ detail: `${pointer || "/"} has a name with a NUL character`, at: { pointer } });
      else open.push({ value: member as unknown, pointer: at });
    }
  }
  return violations;
}

/** Bytes are no values, and a stream of them is an object with no end: its parts name each other. */
function hasMembers(value: unknown): value is object {
  return (
    typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && !(value instanceof Readable)
  );
}

function impossible(value: unknown): string | undefined {
  if (typeof value === "string" && value.includes("\0")) return "holds a NUL character";
  if (typeof value === "number" && !Number.isFinite(value)) return "is no finite number";
  return undefined;
}
