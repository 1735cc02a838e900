import type { IncomingHttpHeaders, IncomingMessage } from "node:http";

/** Headers that name one person: two of them name nobody. */
const ofOnePerson = ["x-portolan-subject", "x-portolan-on-behalf-of"] as const;

/** Node joins what is sent twice to "a, b", which reads like a name with a comma: such headers become lists again, and whoever reads them refuses them. */
export function separateRepeated({ headers, rawHeaders }: IncomingMessage): void {
  for (const name of ofOnePerson) {
    const said = headers[name];
    if (typeof said !== "string" || !said.includes(", ")) continue;
    const all = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name);
    if (all.length > 1) headers[name] = all;
  }
}

/** As `separateRepeated`, of metadata, which are joined before anybody sees them apart: a name with a comma and a space is taken for two. */
export function splitRepeated(headers: IncomingHttpHeaders): void {
  for (const name of ofOnePerson) {
    const said = headers[name];
    if (typeof said === "string" && said.includes(", ")) headers[name] = said.split(", ");
  }
}
