import type { Environment, Sql } from "@portolan/kernel";
import { countedResources } from "./resources.ts";
import { type CardMeter, cardMeters, sumUsage } from "./usage-store.ts";

/** Hours of cards that somebody held, and in which these were busy. */
export interface CardUse {
  readonly environment: Environment;
  /** Empty where the usage names none. */
  readonly useCaseId: string;
  readonly useCase: string;
  readonly team: string;
  readonly heldHours: number;
  readonly busyHours: number;
  /** Pods of a cluster that held them, and whose cards somebody measured; the longest first. */
  readonly pods: readonly PodCards[];
}

/** What one pod of a cluster held of cards. */
export interface PodCards {
  readonly namespace: string;
  readonly pod: string;
  readonly heldHours: number;
  readonly busyHours: number;
  /** Epoch microseconds of the last hour of it that was counted. */
  readonly lastAt: number;
}

/** Of each use case, and what a team held without one, in a stretch; those alone whose cards somebody measured. */
export async function readCardUse(
  sql: Sql,
  organisationId: string,
  bounds: { readonly start: number; readonly end: number },
): Promise<readonly CardUse[]> {
  const sums = (await sumUsage(sql, organisationId, bounds)).filter(({ resource }) =>
    ["gpu_hours", "gpu_busy_hours"].includes(resource),
  );
  const groups = Map.groupBy(sums, placeKey);
  const pods = Map.groupBy(await cardMeters(sql, organisationId, bounds), placeKey);
  return [...groups.values()].flatMap((found) => {
    const [first] = found;
    const hoursOf = (resource: string): number =>
      hours(found.reduce((sum, one) => (one.resource === resource ? sum + one.quantity : sum), 0n));
    const isMeasured = found.some(({ resource }) => resource === "gpu_busy_hours");
    if (first === undefined || !isMeasured) return [];
    const { environment, useCaseId, useCase, team } = first;
    return [
      {
        environment: environment as Environment,
        useCaseId,
        useCase,
        team,
        heldHours: hoursOf("gpu_hours"),
        busyHours: hoursOf("gpu_busy_hours"),
        pods: podsOf(pods.get(placeKey(first)) ?? []),
      },
    ];
  });
}

function placeKey(of: { environment: string; useCaseId: string; useCase: string; team: string }): string {
  return JSON.stringify([of.environment, of.useCaseId, of.useCase, of.team]);
}

function hours(quantity: bigint): number {
  return Number(quantity / (countedResources.gpu_hours.perUnit / 1000n)) / 1000;
}

/** As Kubernetes names things: what else a file may name is no pod, and has no place in a command. */
const objectName = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Containers together: who ends a pod ends all of them. One whose cards nobody measured may be at work, and takes its pod out. */
function podsOf(meters: readonly CardMeter[]): PodCards[] {
  const found = Map.groupBy(meters.flatMap(containerOf), ({ namespace, pod }) => `${namespace}/${pod}`);
  return [...found.values()]
    .flatMap((containers) => {
      const [first] = containers;
      const busy = containers.map((one) => one.busy);
      if (first === undefined || busy.includes(undefined)) return [];
      return {
        namespace: first.namespace,
        pod: first.pod,
        heldHours: hours(containers.reduce((sum, one) => sum + one.held, 0n)),
        busyHours: hours(busy.reduce<bigint>((sum, one) => sum + (one ?? 0n), 0n)),
        lastAt: Math.max(...containers.map(({ lastAt }) => lastAt)),
      };
    })
    .toSorted((a, b) => b.heldHours - a.heldHours);
}

/** Of a cluster's records alone: a file may name its meters as it likes. */
function containerOf({ meter, ...of }: CardMeter) {
  const [namespace = "", pod = "", container, ...more] = meter.split("/").map(decodedOr);
  if (container === undefined || more.length > 0) return [];
  if (!objectName.test(namespace) || !objectName.test(pod)) return [];
  return [{ namespace, pod, ...of }];
}

function decodedOr(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
