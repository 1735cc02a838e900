import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultIdlePolicy, type IdlePolicy } from "./idle-policy.ts";
import { type Held, type IdleNotice, judgeIdle, type UseSeen, withLook } from "./judge-idle.ts";
import { seenAt } from "./watch-use.ts";

const second = 1_000_000;
const minute = 60 * second;

/** What happened between one look and the next. */
interface Step {
  readonly after: number;
  /** Cores at work. */
  readonly cores: number;
  /** Of the busiest card, percent; undefined: nobody could tell. */
  readonly card: number | undefined;
  readonly keepFor?: number | undefined;
  /** Nobody saw what it used. */
  readonly isBlind?: boolean;
}

interface Story {
  readonly noticedAt: readonly number[];
  readonly withdrawnAt: readonly number[];
  readonly stoppedAt?: number;
  readonly notice?: IdleNotice;
}

/** Plays steps through the policy, as control does with each look. */
function play(
  steps: readonly Step[],
  policy: IdlePolicy,
  held: Held,
  { isPreemptible = true }: { readonly isPreemptible?: boolean } = {},
): Story & {
  readonly seen: readonly (UseSeen & { readonly isBlind: boolean })[];
  readonly kept: readonly (readonly [number, number])[];
} {
  const startedAt = 1_000 * second;
  const seen: (UseSeen & { readonly isBlind: boolean })[] = [];
  const kept: (readonly [number, number])[] = [];
  const [noticedAt, withdrawnAt]: number[][] = [[], []];
  let [now, cpu, looks, noticed, keptUntil] = [
    startedAt,
    0.1 * second,
    [] as readonly UseSeen[],
    undefined as IdleNotice | undefined,
    0,
  ];
  let truth: UseSeen = { at: now, cpuMicros: cpu, cardBusyMicros: 0, cardSeenMicros: 0 };
  for (const { after, cores, card, keepFor, isBlind = false } of steps) {
    now += after;
    cpu += Math.max(0, after) * cores;
    truth = seenAt(truth, now, { cpuMicros: cpu }, card);
    seen.push({ ...truth, isBlind });
    if (keepFor !== undefined) {
      kept.push([now, now + keepFor]);
      keptUntil = now + keepFor;
      noticed = undefined;
    }
    if (isBlind) continue;
    looks = withLook(
      looks,
      seenAt(looks.at(-1) ?? { ...truth, at: 0 }, now, { cpuMicros: cpu }, card),
      policy,
      noticed,
    );
    const verdict = judgeIdle({
      policy,
      held,
      looks,
      startedAt,
      isPreemptible,
      keptUntil,
      ...(noticed ? { noticed } : {}),
    });
    if (verdict.kind === "notice") {
      noticedAt?.push(now);
      noticed = verdict.notice;
    }
    if (verdict.kind === "withdraw") {
      withdrawnAt?.push(now);
      noticed = undefined;
      looks = looks.slice(-1);
    }
    if (verdict.kind === "stop")
      return {
        noticedAt: noticedAt ?? [],
        withdrawnAt: withdrawnAt ?? [],
        stoppedAt: now,
        seen,
        kept,
        ...(noticed ? { notice: noticed } : {}),
      };
  }
  return {
    noticedAt: noticedAt ?? [],
    withdrawnAt: withdrawnAt ?? [],
    seen,
    kept,
    ...(noticed ? { notice: noticed } : {}),
  };
}

const policy: IdlePolicy = {
  below: 0.05,
  window: 60 * second,
  grace: 30 * second,
  notice: 45 * second,
  longestKeep: 600 * second,
  stops: "preemptible",
};
const twoCores: Held = { cores: 2, cards: 0 };
const one = { cores: 1, cards: 1 };
const repeated = (times: number, step: Partial<Step> = {}): Step[] =>
  Array.from({ length: times }, () => ({ after: 2 * second, cores: 0, card: 0, ...step }));

describe("work that sleeps", () => {
  test("is told once the grace and a whole window of it are over, and stopped when the notice is", () => {
    const { noticedAt, withdrawnAt, stoppedAt, notice } = play(repeated(100), policy, twoCores);
    // The first look of the window is the one at the end of the grace: 30 + 60 s after the start.
    expect(noticedAt).toEqual([1_090 * second]);
    expect(withdrawnAt).toEqual([]);
    expect(notice).toMatchObject({ since: 1_030 * second, stopAt: 1_135 * second });
    expect(stoppedAt).toBe(1_136 * second);
  });

  test("by default is stopped within the hour that a trainer has", () => {
    const { stoppedAt = 0 } = play(repeated(1800), defaultIdlePolicy, twoCores);
    // Looks are kept a slot of half a minute apart.
    expect(stoppedAt - 1_000 * second).toBeGreaterThanOrEqual(35 * minute);
    expect(stoppedAt - 1_000 * second).toBeLessThan(36 * minute);
  });

  test("and does a little less than the share is idle, a little more is not; of what it holds, not of the machine", () => {
    const at = (cores: number) => play(repeated(100, { cores }), policy, twoCores);
    expect(at(0.099).stoppedAt).toBeDefined();
    expect(at(0.101)).toMatchObject({ noticedAt: [], withdrawnAt: [] });
  });

  test("says what it used and wasted: held time less used time", () => {
    const looks: UseSeen[] = [0, 60, 90, 120].map((at) => ({
      at: at * second,
      cpuMicros: second + at * 20_000,
      cardBusyMicros: at * 10_000,
      cardSeenMicros: at * second,
    }));
    const noticed = { at: 60 * second, since: 0, stopAt: 105 * second, use: {} };
    const held = { cores: 2, cards: 0.5 };
    const question = {
      policy: { ...policy, grace: 0 },
      held,
      looks,
      startedAt: 0,
      isPreemptible: true,
      noticed,
    };
    // 120 s of two cores are 240 s, of which 2.4 were used; half a card for 120 s is 60 s, of which a hundredth worked.
    expect(judgeIdle(question)).toEqual({
      kind: "stop",
      use: { cpu: expect.closeTo(0.01, 10) as number, cards: expect.closeTo(0.01, 10) as number },
      wasted: {
        cpuSeconds: expect.closeTo(237.6, 6) as number,
        cardSeconds: expect.closeTo(59.4, 6) as number,
      },
    });
  });
});

describe("work that is not stopped", () => {
  test("works again after the notice: it is withdrawn within a tenth of the window, and a whole window comes before the next one", () => {
    const idle = repeated(50);
    const busy = repeated(10, { cores: 1 });
    const { noticedAt, withdrawnAt, stoppedAt } = play([...idle, ...busy, ...repeated(20)], policy, twoCores);
    expect(noticedAt).toHaveLength(1);
    // Busy from 1,100 s on.
    expect(withdrawnAt).toEqual([1_102 * second]);
    expect(stoppedAt).toBeUndefined();
  });

  test("came to use a little more than the share after the notice, and less than twice: it is withdrawn when the notice is over", () => {
    // Idle until it was told, 7.5 % since: over the whole time since then it is 3.2 %.
    const { noticedAt, withdrawnAt, stoppedAt } = play(
      [...repeated(45), ...repeated(30, { cores: 0.15 })],
      policy,
      twoCores,
    );
    expect([noticedAt, withdrawnAt, stoppedAt]).toEqual([[1_090 * second], [1_136 * second], undefined]);
  });

  test("nobody saw its cards: neither its processors' rest nor a watch that went away says that they rest", () => {
    expect(play(repeated(200, { card: undefined }), policy, one)).toMatchObject({ noticedAt: [] });
    const away = [...repeated(48), ...repeated(60, { card: undefined })];
    const { noticedAt, withdrawnAt, stoppedAt } = play(away, policy, one);
    expect([noticedAt.length, withdrawnAt.length, stoppedAt]).toEqual([1, 1, undefined]);
    expect(play(repeated(100), policy, one).stoppedAt).toBeDefined();
    expect(play(repeated(200, { card: 90 }), policy, one)).toMatchObject({ noticedAt: [] });
  });

  test("holds neither processors nor cards, or was never seen to use anything", () => {
    expect(play(repeated(200), policy, { cores: 0, cards: 0 })).toMatchObject({ noticedAt: [] });
    const looks = [0, 30, 60, 90].map((at) => ({
      at: (at + 100) * second,
      cpuMicros: 0,
      cardBusyMicros: 0,
      cardSeenMicros: 0,
    }));
    const question = { policy, held: twoCores, looks, startedAt: 0, isPreemptible: true };
    expect(judgeIdle(question).kind).toBe("as it was");
    expect(judgeIdle({ ...question, looks: looks.map((look) => ({ ...look, cpuMicros: 1 })) }).kind).toBe(
      "notice",
    );
  });

  test("keeps its place, where only what gives way is stopped; it is told alone", () => {
    const story = play(repeated(300), policy, twoCores, { isPreemptible: false });
    expect([story.noticedAt.length, story.stoppedAt, story.notice?.stopAt]).toEqual([
      1,
      undefined,
      undefined,
    ]);
    const all = { ...policy, stops: "all" } as const;
    expect(play(repeated(300), all, twoCores, { isPreemptible: false }).stoppedAt).toBeDefined();
    expect(play(repeated(300), { ...policy, stops: "none" }, twoCores).stoppedAt).toBeUndefined();
  });

  test.each([
    ["an hour forward", 3_600 * second],
    ["an hour back", -3_600 * second],
  ])("the clock jumps %s after the notice: it is withdrawn", (_, after) => {
    const steps = [...repeated(48), { after, cores: 0, card: 0 }, ...repeated(10)];
    const { noticedAt, withdrawnAt, stoppedAt } = play(steps, policy, twoCores);
    expect([noticedAt.length, withdrawnAt.length, stoppedAt]).toEqual([1, 1, undefined]);
  });

  test("its quotas came to say nothing of idle work: a notice that stands is withdrawn", () => {
    const noticed = { at: 1, since: 0, stopAt: 2, use: {} };
    const question = { policy: undefined, held: twoCores, looks: [], startedAt: 0, isPreemptible: true };
    expect(judgeIdle({ ...question, noticed }).kind).toBe("withdraw");
    expect(judgeIdle(question).kind).toBe("as it was");
  });

  test("a longer notice came to be in force: what was said counts, and what is said now too", () => {
    const looks = repeated(80).map((_, index) => ({
      at: index * 2 * second,
      cpuMicros: second,
      cardBusyMicros: 0,
      cardSeenMicros: 0,
    }));
    const noticed = { at: 100 * second, since: 40 * second, stopAt: 145 * second, use: {} };
    const question = { held: twoCores, looks, startedAt: 0, isPreemptible: true, noticed };
    expect(judgeIdle({ ...question, policy }).kind).toBe("stop");
    expect(judgeIdle({ ...question, policy: { ...policy, notice: 60 * second } }).kind).toBe("as it was");
    const later = { ...noticed, stopAt: 200 * second };
    expect(judgeIdle({ ...question, policy, noticed: later }).kind).toBe("as it was");
  });
});

const aStep: fc.Arbitrary<Step> = fc.record(
  {
    after: fc.oneof(
      { weight: 40, arbitrary: fc.integer({ min: second, max: 4 * second }) },
      { weight: 1, arbitrary: fc.integer({ min: -200 * second, max: 400 * second }) },
    ),
    cores: fc.oneof(
      { weight: 30, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.double({ min: 0, max: 2, noNaN: true }) },
    ),
    card: fc.oneof(
      { weight: 40, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }) },
    ),
    keepFor: fc.oneof(
      { weight: 60, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.integer({ min: second, max: 200 * second }) },
    ),
    isBlind: fc.oneof({ weight: 40, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.boolean() }),
  },
  { requiredKeys: ["after", "cores", "card"] },
);
const steps = fc.array(aStep, { minLength: 60, maxLength: 200, size: "max" });
const policies = fc.record({
  below: fc.constantFrom(0.01, 0.05, 0.3),
  window: fc.integer({ min: 10 * second, max: 90 * second }),
  grace: fc.integer({ min: 0, max: 60 * second }),
  notice: fc.integer({ min: second, max: 90 * second }),
  longestKeep: fc.constant(600 * second),
  stops: fc.constantFrom("preemptible", "all", "none" as const),
});

test("in every story: what is stopped was told for as long as was said, rested from before the notice on, and was seen to, after the grace and what somebody kept", () => {
  let stopped = 0;
  fc.assert(
    fc.property(steps, policies, fc.constantFrom(twoCores, one), (story, rules, held) => {
      const end = play(story, rules as IdlePolicy, held);
      const startedAt = 1_000 * second;
      for (const at of end.noticedAt)
        expect(at).toBeGreaterThanOrEqual(startedAt + rules.grace + rules.window);
      if (end.stoppedAt === undefined) return;
      stopped++;
      const { stoppedAt, notice } = end;
      if (!notice) expect.fail("stopped without a notice");
      expect(rules.stops).not.toBe("none");
      expect(stoppedAt - notice.at).toBeGreaterThanOrEqual(rules.notice);
      expect(notice.since).toBeLessThanOrEqual(notice.at - rules.window);
      expect(notice.since).toBeGreaterThanOrEqual(startedAt + rules.grace);
      // The clock may have gone back: of what has those times, the last.
      const from = end.seen.findLastIndex(({ at }) => at === notice.since);
      const told = end.seen.findLastIndex(({ at }) => at === notice.at);
      const whole = end.seen.slice(from);
      for (const [from, until] of end.kept)
        expect(until <= notice.since || from > stoppedAt || !whole.some(({ at }) => at === from)).toBe(true);
      const most = Math.max(5 * second, 0.1 * rules.window);
      const looked = whole.filter(({ isBlind }) => !isBlind);
      for (const [index, look] of looked.slice(1).entries()) {
        const gap = look.at - (looked[index]?.at ?? 0);
        expect(gap > 0 && gap <= most).toBe(true);
      }
      for (const first of [end.seen[from], end.seen[told]]) {
        const last = whole.at(-1);
        if (!first || !last) expect.fail("no looks");
        const used = (last.cpuMicros - first.cpuMicros) / (held.cores * (last.at - first.at));
        expect(used).toBeLessThan(rules.below);
      }
    }),
    { numRuns: 2_000, seed: 243 },
  );
  // Else the stories say nothing.
  expect(stopped).toBeGreaterThan(100);
});

test("kept of the looks are a window's and those of the notice, however long it stands", () => {
  let looks: readonly UseSeen[] = [];
  const noticed = { at: 200 * second, since: 100 * second };
  for (let at = 0; at < 20_000 * second; at += 2 * second)
    looks = withLook(looks, { at, cpuMicros: 1, cardBusyMicros: 0, cardSeenMicros: 0 }, policy, noticed);
  expect(looks.length).toBeLessThan(40);
  expect(looks.map(({ at }) => at)).toEqual(expect.arrayContaining([100 * second, 200 * second]));
  expect(looks.some(({ at }) => at <= 19_998 * second - policy.window)).toBe(true);
});
