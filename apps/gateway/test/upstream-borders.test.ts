import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { allowed, ask, UpstreamInstallation } from "./upstream-installation.ts";

let installation: UpstreamInstallation;
beforeEach(async () => {
  installation = await UpstreamInstallation.open();
});
afterEach(() => installation.end());

describe("what a gateway does not ask", () => {
  const placement = { regions: ["local", "eu-*"], owners: ["self"] };

  test("a server where the charter does not allow it, whatever the snapshot says", async () => {
    installation.addUpstream("score", installation.elsewhere({ region: "us-east-1" }), { placement });
    installation.addUpstream("mine", installation.elsewhere({ region: "eu-west-1" }), { placement });
    const gateway = await installation.serve();
    expect((await ask(gateway)).status).toBe(503);
    expect((await ask(gateway, "mine")).status).toBe(200);
  });

  test("nor as a fallback: the border holds when the champion is away", async () => {
    const abroad = installation.elsewhere({ owner: "aws" });
    const steps = { fallbacks: [{ kind: "previous_version" as const }], placement };
    // The champion is an upstream that is away; the version before is abroad.
    const away = installation.elsewhere({ url: "http://127.0.0.1:9" });
    installation.addUpstream("score", away, { ...steps, previous: { model: abroad, features: null } });
    installation.addUpstream("home", away, {
      ...steps,
      previous: { model: installation.elsewhere(), features: null },
    });
    const gateway = await installation.serve();
    expect((await ask(gateway)).status).toBe(503);
    expect((await ask(gateway, "home")).headers.get("x-portolan-answered-by")).toBe("previous_version");
    expect(gateway.output).toContain("gateway.upstream.misplaced");
    expect(installation.server.seen).toHaveLength(1);
  });

  test("a description that was changed after it was signed, or an address that is not allowed", async () => {
    const changed = installation.elsewhere();
    installation.addUpstream("score", changed);
    installation.addUpstream("inside", installation.elsewhere({ url: "https://10.0.0.7" }));
    await installation.publish(1);
    writeFileSync(installation.objectPath(changed.digest), '{"format":"portolan.upstream/1"}');
    const gateway = await installation.start(allowed);
    expect((await ask(gateway)).status).toBe(503);
    const refused = await ask(gateway, "inside");
    expect(refused.status).toBe(503);
    expect(JSON.stringify(await refused.json())).toContain("may not be asked");
    expect(installation.server.paths).toEqual([]);
  });
});
