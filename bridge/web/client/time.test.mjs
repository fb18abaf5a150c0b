// sente-lite.js under mocked time, over sockets in memory: backoff, silence, bounds.

import {test} from "node:test";
import assert from "node:assert/strict";
import {SenteLite, HELLO, memory} from "./fake.mjs";

function start(t, options = {}) {
  t.mock.timers.enable({apis: ["setTimeout", "Date"], now: 1000});
  t.mock.method(Math, "random", () => 0.5);
  const {all, MemorySocket, last} = memory();
  const s = SenteLite.connect({url: "ws://127.0.0.1/ws", WebSocket: MemorySocket, ...options});
  t.after(() => s.close());
  return {s, all, last, tick: (ms) => t.mock.timers.tick(ms)};
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("the default backoff: a short first try, then doubled and capped, always with jitter", (t) => {
  const at = (random) => {
    t.mock.method(Math, "random", () => random);
    return [0, 1, 2, 3, 4, 5, 6, 7, 50, 2000].map(SenteLite.backoff);
  };
  assert.deepEqual(at(0), [100, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000, 15000]);
  assert.deepEqual(at(1), [300, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000]);
});

test("retries follow the curve, and tell when the next one is due", (t) => {
  const {s, all, last, tick} = start(t);
  for (const [n, delay] of [[1, 200], [2, 750], [3, 1500], [4, 3000]]) {
    last().cut();
    assert.equal(s.state.status, "waiting");
    assert.equal(s.state.reason, "unreachable");
    assert.equal(s.state.attempts, n);
    assert.equal(s.state.nextRetryAt, Date.now() + delay);
    tick(delay - 1);
    assert.equal(all.length, n);
    tick(1);
    assert.equal(all.length, n + 1);
    assert.equal(s.state.reason, "retry");
  }
  last().shake();
  assert.equal(s.state.attempts, 0);
});

test("a lone blink is short; links that never last are not hammered", (t) => {
  const {s, last, tick} = start(t);
  last().shake();
  tick(5000);
  last().cut();
  assert.equal(s.state.reason, "lost");
  assert.equal(s.state.nextRetryAt - Date.now(), 200);
  tick(200);
  last().shake();
  tick(4999);
  last().cut();
  assert.equal(s.state.nextRetryAt - Date.now(), 750);
});

test("draining spreads the tabs over the time that the reason gives; overloaded gets no quick try", (t) => {
  const {s, last, tick} = start(t);
  last().shake();
  last().cut(4002, "draining spread-ms=8000");
  assert.equal(s.state.nextRetryAt - Date.now(), 4000);
  tick(4000);
  last().shake();
  tick(5000);
  last().cut(4001, "slow");
  assert.equal(s.state.nextRetryAt - Date.now(), 750);
});

test("a handshake that does not come ends the try", (t) => {
  const {s, all, tick} = start(t);
  all[0].readyState = 1;
  tick(9999);
  assert.equal(s.state.status, "connecting");
  tick(1);
  assert.equal(s.state.reason, "handshake-timeout");
  assert.ok(all[0].closed);
});

test("silence is asked about, and no answer ends the link", async (t) => {
  const {s, all, tick} = start(t);
  all[0].shake();
  tick(14999);
  assert.deepEqual(all[0].sent, []);
  tick(1);
  assert.deepEqual(all[0].sent, [["chsk/ws-ping"]]);
  tick(10000);
  await settled();
  assert.equal(s.state.reason, "dead");
  assert.deepEqual(all[0].closed, {code: undefined, reason: undefined});
});

test("anything that comes keeps the link, pings are answered, and the sidecar's own times are used", async (t) => {
  const {s, all, tick} = start(t);
  all[0].shake({...HELLO, limits: {"ws-kalive-ms": 100, "ws-ping-timeout-ms": 200}});
  tick(300);
  assert.deepEqual(all[0].sent, [["chsk/ws-ping"]]);
  all[0].receive(["chsk/ws-ping"]);
  assert.deepEqual(all[0].sent[1], ["chsk/ws-pong"]);
  tick(10000);
  await settled();
  assert.equal(s.state.status, "open");
});

test("the queue is bounded: what does not fit is rejected, what fits is sent in order, in bundles", (t) => {
  const {s, last} = start(t);
  const got = Array.from({length: 1001}, (_, n) => s.send("a/b", n));
  assert.ok(got.slice(0, 1000).every((r) => r.status === "queued"));
  assert.equal(got[1000].status, "rejected");
  assert.equal(got[1000].error.category, "busy");
  assert.equal(got[1000].error.retry, true);
  last().shake();
  assert.equal(s.queued, 0);
  assert.equal(last().sent.length, 10);
  assert.deepEqual(last().sent.flatMap(([id, items]) => {
    assert.equal(id, "batch/events");
    return items.map((i) => i[1]);
  }), Array.from({length: 1000}, (_, n) => n));
});

test("the queue is bounded in bytes, messages by the sidecar's limit, the socket's own buffer too", (t) => {
  const {s, last} = start(t, {maxQueueBytes: 100});
  assert.equal(s.send("a/b", "x".repeat(60)).status, "queued");
  assert.equal(s.send("a/b", "x".repeat(60)).error.category, "busy");
  last().shake({...HELLO, limits: {"max-message-bytes": 50}});
  assert.deepEqual(last().sent, [["a/b", "x".repeat(60)]]); // one alone is no bundle
  assert.equal(s.send("a/b", "ü".repeat(30)).error.code, "sente-lite/too-large");
  assert.equal(s.send("a/b", "x".repeat(30)).status, "ok");
  last().bufferedAmount = 90;
  assert.equal(s.send("a/b", "x".repeat(30)).error.category, "busy");
});

test("a large event does not share a bundle", (t) => {
  const {s, last} = start(t);
  s.send("a/b", 1);
  s.send("a/b", "x".repeat(70000));
  s.send("a/b", 2);
  last().shake();
  assert.deepEqual(last().sent.map((i) => i[0] + (i[1].length > 9 ? "!" : "")), ["a/b", "a/b!", "a/b"]);
});

test("open calls are bounded, and one that timed out unsent is never sent", async (t) => {
  const {s, last, tick} = start(t, {maxCalls: 2});
  const first = s.ask("a/first", 1, {timeoutMs: 100});
  const second = s.ask("a/second", 2);
  await assert.rejects(s.ask("a/third"), {category: "busy", retry: true});
  const fails = assert.rejects(first, {code: "chsk/timeout", retry: true});
  tick(100);
  await fails;
  last().shake();
  assert.deepEqual(last().sent, [[["a/second", 2], last().sent[0][1]]]);
  last().receive(["chsk/reply", last().sent[0][1], "yes"]);
  assert.equal(await second, "yes");
});

test("what a page sends on hearing of the link does not overtake what waited", async (t) => {
  const {s, last} = start(t, {onState: (now) => { if (now.open) s.send("a/b", "new"); }});
  s.send("a/b", "old");
  last().shake();
  await settled();
  assert.deepEqual(last().sent, [["a/b", "old"], ["a/b", "new"]]);
});

test("online and a look at the tab retry at once; on an open link they ask whether it lives", async (t) => {
  const events = new EventTarget();
  const page = new EventTarget();
  const fake = {addEventListener: events.addEventListener.bind(events),
    removeEventListener: events.removeEventListener.bind(events), document: page};
  page.visibilityState = "visible";
  Object.assign(globalThis, fake);
  t.after(() => Object.keys(fake).forEach((k) => delete globalThis[k]));
  const {s, all, last, tick} = start(t);

  last().cut();
  events.dispatchEvent(new Event("offline"));
  assert.equal(s.state.offline, true);
  assert.equal(all.length, 1);
  events.dispatchEvent(new Event("online"));
  assert.equal(s.state.offline, false);
  assert.equal(s.state.reason, "online");
  assert.equal(all.length, 2);
  last().cut();
  page.visibilityState = "hidden";
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(all.length, 2);
  page.visibilityState = "visible";
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(s.state.reason, "visible");
  assert.equal(all.length, 3);

  last().shake();
  events.dispatchEvent(new Event("online"));
  assert.deepEqual(last().sent, [["chsk/ws-ping"]]);
  tick(2000);
  await settled();
  assert.equal(s.state.reason, "dead");

  s.close();
  events.dispatchEvent(new Event("online"));
  tick(60000);
  assert.equal(all.length, 3);
});
