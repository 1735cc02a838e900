import { createLogger, isPortolanError, Secret } from "@portolan/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { busiestQuery, prometheusCards, readBusiest } from "./prometheus-cards.ts";

const answer = (...values: unknown[]) => ({
  status: "success",
  data: {
    resultType: "vector",
    result: values.map((value) => ({ metric: {}, value: [1_795_000_000, value] })),
  },
});

test("the query takes engines' time where it is told, else the card's, of the labels that are named", () => {
  const of = 'Hostname="node-3",gpu=~"0|1"';
  expect(busiestQuery(of)).toBe(
    `max(100 * avg_over_time(DCGM_FI_PROF_GR_ENGINE_ACTIVE{${of}}[1m]) or avg_over_time(DCGM_FI_DEV_GPU_UTIL{${of}}[1m]))`,
  );
  expect(busiestQuery()).toContain("DCGM_FI_DEV_GPU_UTIL{}");
});

test.each(['Hostname="a"} or vector(0', "node-3", 'a="\\"', 'a="b" c="d"'])(
  "%s is no list of labels",
  (selector) => {
    const said = () => {
      try {
        return busiestQuery(selector);
      } catch (error) {
        return isPortolanError(error) ? error.code : error;
      }
    };
    expect(said()).toBe("kernel.bad_request");
  },
);

test("an answer is a percentage, or nothing is known: no series, no number, none that a card can have", () => {
  expect(readBusiest(answer("0"))).toBe(0);
  expect(readBusiest(answer("98.5"))).toBe(98.5);
  for (const one of [answer(), answer("NaN"), answer("101"), answer("-1"), answer(""), answer(3)])
    expect(readBusiest(one)).toBeUndefined();
  expect(readBusiest({ ...answer("3"), status: "error" })).toBeUndefined();
  fc.assert(
    fc.property(fc.anything(), (any) => {
      const percent = readBusiest(any) ?? 0;
      expect(percent >= 0 && percent <= 100).toBe(true);
    }),
  );
});

test("an address with a password is refused without repeating it, and a token does not go over plain http", () => {
  const log = createLogger({ name: "cards", level: "silent" });
  const refusal = (series: Parameters<typeof prometheusCards>[0]): string => {
    try {
      prometheusCards(series, log);
      return "";
    } catch (error) {
      return isPortolanError(error) ? `${error.code}: ${error.message}` : String(error);
    }
  };
  const named = refusal({ url: "https://reader:hunter2@metrics.example.org" });
  expect(named).toMatch(/kernel\.bad_request.*holds a user or a password/);
  expect(named).not.toContain("hunter2");
  expect(refusal({ url: "http://metrics.example.org", token: new Secret("t") })).toMatch(/CARD_METRICS_URL/);
  expect(refusal({ url: "https://metrics.example.org", token: new Secret("t") })).toBe("");
  expect(refusal({ url: "http://metrics.example.org" })).toBe("");
});
