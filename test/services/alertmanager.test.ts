import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, systemClock } from "@portolan/kernel";
import type { Alert } from "@portolan/monitoring/contract";
import { describe, expect, test } from "vitest";
import { createAlertSender } from "../../apps/control/src/alerts/alert-sender.ts";
import { requireService, startService } from "../../tools/services.ts";

const program = await requireService("alertmanager");
const organisationId = "org_1";

interface ShownAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly status: { readonly state: string };
}

function anAlert(over: Partial<Alert>): Alert {
  return {
    id: "alr_1",
    key: "performance/production/uc_1/churn/champion/churn/3/accuracy",
    kind: "performance",
    environment: "production",
    useCaseId: "uc_1",
    endpoint: "churn",
    variant: "champion",
    model: "churn",
    version: "3",
    state: "open",
    summary: "accuracy 0.5, where the charter wants at least 0.7",
    evidence: { metric: "accuracy", value: 0.5, below: "fallback" },
    openedAt: systemClock.now() - 60_000_000,
    resolvedAt: null,
    resolvedBecause: null,
    ...over,
  };
}

describe.skipIf(program === undefined)("a real Alertmanager", () => {
  test("takes what is opened, keeps it as one alert when it is told again, and ends what is resolved", async () => {
    const folder = await mkdtemp(join(tmpdir(), "portolan-destinations-"));
    try {
      await using manager = await startService({
        program: program ?? "",
        prepare: async (home) => {
          const file = join(home, "alertmanager.yml");
          await writeFile(file, "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n");
          await chmod(file, 0o644);
        },
        args: (home, port) => [
          `--config.file=${join(home, "alertmanager.yml")}`,
          `--storage.path=${join(home, "data")}`,
          `--web.listen-address=127.0.0.1:${port}`,
          "--cluster.listen-address=",
        ],
      });
      const url = `http://127.0.0.1:${manager.port}`;
      const destination = { organisation: organisationId, format: "alertmanager", url };
      await writeFile(join(folder, "oncall.json"), JSON.stringify(destination));
      const sender = createAlertSender({
        folder,
        clock: systemClock,
        log: createLogger({ name: "test", level: "silent" }),
      });
      const send = (alert: Alert, isRepeat = false) =>
        sender.send({ organisationId, destination: "oncall", alert, isRepeat });
      const active = async (): Promise<readonly ShownAlert[]> => {
        const response = await fetch(`${url}/api/v2/alerts?active=true&silenced=false&inhibited=false`);
        return (await response.json()) as ShownAlert[];
      };
      const drift = anAlert({ id: "alr_2", key: "drift/x", kind: "drift", useCaseId: null });
      expect([await send(anAlert({})), await send(drift), await send(anAlert({}), true)]).toEqual([
        "taken",
        "taken",
        "taken",
      ]);
      await expect.poll(async () => (await active()).length, { timeout: 20_000 }).toBe(2);
      const shown = (await active()).find(({ labels }) => labels["alertname"] === "PortolanPerformance");
      expect(shown).toMatchObject({
        labels: {
          severity: "critical",
          environment: "production",
          endpoint: "churn",
          use_case: "uc_1",
          version: "3",
        },
        annotations: { alert_id: "alr_1", summary: expect.stringContaining("accuracy 0.5") },
      });
      await send(anAlert({ state: "resolved", resolvedAt: systemClock.now(), resolvedBecause: "recovered" }));
      await expect
        .poll(async () => (await active()).map(({ labels }) => labels["alertname"]), { timeout: 20_000 })
        .toEqual(["PortolanDrift"]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
