/** What the codes of PostgreSQL and of the network mean for whoever reads a table. */
const faults: Readonly<Record<string, { readonly detail: string; readonly mend: string }>> = {
  "42P01": { detail: "there is no such table or view", mend: "See its name, with the schema." },
  "3F000": { detail: "there is no such schema", mend: "See its name." },
  "3D000": { detail: "there is no such database", mend: "Have the operator see the connection's database." },
  "42501": { detail: "its user may not read that", mend: "Grant SELECT on it to the connection's user." },
  "28P01": {
    detail: "it refused the password",
    mend: "Have the operator see the connection's passwordFile.",
  },
  "28000": {
    detail: "it refused the user",
    mend: "Have the operator see the connection's user, and the server's pg_hba.conf.",
  },
  "57014": {
    detail: "reading took longer than it may",
    mend: "Read a smaller view, or have the operator raise statementTimeoutSeconds of the connection.",
  },
  "55P03": {
    detail: "somebody holds a lock on it",
    mend: "It is tried again; see who alters the table so long.",
  },
  ETIMEDOUT: {
    detail: "it said nothing for too long",
    mend: "It is tried again. See the network between, and whether something there keeps connections of a server that is gone.",
  },
  "25006": {
    detail: "reading it would write",
    mend: "Name a table, or a view whose functions write nothing.",
  },
};
const again =
  "It is tried again. See that the server runs and that its address, authority and user are right.";

/** Pure. */
export function faultOf(error: unknown): { readonly detail: string; readonly mend: string } {
  const code = codeOf(error);
  const known = code === undefined ? undefined : faults[code];
  if (known) return { ...known, detail: `${known.detail} (${code})` };
  return { detail: code ?? "it ended the connection", mend: again };
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { code, errors } = error as { code?: unknown; errors?: unknown };
  if (typeof code === "string") return code;
  return Array.isArray(errors) ? errors.map(codeOf).find((one) => one !== undefined) : undefined;
}
