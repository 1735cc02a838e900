import { setTimeout as delay } from "node:timers/promises";
import { addMicros, formatInstant, microsPerSecond } from "@portolan/kernel";
import { check } from "./narrator.ts";
import type { Flight } from "./source.ts";
import { endpointName, type World } from "./world.ts";

export const purpose = "staff-planning";

export interface Served {
  readonly flight: Flight;
  readonly id: string;
  readonly score: number;
  readonly millis: number;
  /** On the clock of `performance.now()`. */
  readonly doneAt: number;
}

export const connections = 4;
/** Below the charter's ceiling of 500 requests a second, which the gateway holds; what a slow answer held up is not caught up with at a higher pace. */
const pacePerSecond = 250;

export async function replay(world: World, flights: readonly Flight[]): Promise<Served[]> {
  check(flights.length > 0, "the data set holds no flights at the replayed moment");
  const served: Served[] = [];
  let dueAt = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < flights.length; index = next++) {
      const flight = flights[index];
      const now = performance.now();
      const due = Math.max(dueAt, now);
      dueAt = due + 1000 / pacePerSecond;
      await delay(due - now);
      if (flight) served.push(await predict(world, flight));
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  return served;
}

async function predict(world: World, flight: Flight): Promise<Served> {
  const column = (name: string, datatype: string, value: number | string) => ({
    name,
    datatype,
    shape: [1],
    data: [value],
  });
  const body = JSON.stringify({
    parameters: { event_time: formatInstant(flight.at) },
    inputs: [
      column("origin", "BYTES", flight.origin),
      column("destination", "BYTES", flight.destination),
      column("minute_of_day", "FP32", flight.minuteOfDay),
      column("day_of_week", "FP32", flight.dayOfWeek),
      // As its kind of a request field says; the model takes it as its own.
      column("distance_miles", "FP64", flight.distance),
    ],
  });
  const token = await world.cast.as.dispatch.token();
  const startedAt = performance.now();
  const response = await fetch(`${world.state.gatewayUrl}/v2/models/${endpointName}/infer`, {
    method: "POST",
    body,
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "x-portolan-environment": "production",
      "x-portolan-purpose": purpose,
    },
  });
  const text = await response.text();
  const doneAt = performance.now();
  const millis = doneAt - startedAt;
  check(response.ok, `a prediction was refused with ${response.status}: ${text.slice(0, 300)}`);
  const id = response.headers.get("x-portolan-prediction-id");
  check(id !== null, "an answer carries no prediction id");
  const outputs: readonly { name: string; data: readonly number[] }[] = JSON.parse(text).outputs;
  const score = outputs.find((output) => output.name === "probabilities")?.data[1] ?? Number.NaN;
  return { flight, id: id ?? "", score, millis, doneAt };
}

export async function reportOutcomes(world: World, served: readonly Served[]): Promise<number> {
  let stored = 0;
  for (let start = 0; start < served.length; start += 500) {
    const outcomes = served.slice(start, start + 500).map(({ id, flight }) => ({
      predictionId: id,
      outcome: flight.late,
      // Known after half an hour on the ground and the way at 480 miles an hour: derived, as the feature views say.
      observedAt: formatInstant(
        addMicros(flight.at, 30 * 60 * microsPerSecond + flight.distance * 7_500_000),
      ),
    }));
    const report = await world.cast.as.dispatch.json<{ stored: number; duplicates: number }>({
      path: "/v1/outcomes",
      body: { outcomes },
    });
    stored += report.stored + report.duplicates;
  }
  check(stored === served.length, `${served.length - stored} outcomes were not taken`);
  world.lastPrediction = served.at(-1)?.id ?? "";
  return stored;
}
