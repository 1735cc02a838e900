import type { GateResult } from "./evidence-shapes.ts";

/** Gates of an evaluation on one line, each with what was observed. Pure. */
export function gatesText(gates: readonly GateResult[]): string {
  const told = gates.map(
    ({ gate, passed, observed }) => `${gate} ${passed ? "passed" : "failed"} (${observed})`,
  );
  return told.length === 0 ? "evaluated; no charter asks for gates" : told.join("; ");
}
