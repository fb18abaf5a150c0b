// Recovery, credit and bundles of sente-lite.js, under mocked time, against the sidecar's side in side.mjs.

import {test} from "node:test";
import assert from "node:assert/strict";
import {SenteLite} from "./fake.mjs";
import {Side, random} from "./side.mjs";

function start(t, {side: sideOptions, ...options} = {}) {
  t.mock.timers.enable({apis: ["setTimeout", "Date"], now: 1000});
  const side = new Side(sideOptions);
  const errors = [];
  const s = SenteLite.connect({url: "ws://127.0.0.1/ws", WebSocket: side.MemorySocket, onError: (e) => errors.push(e), ...options});
  t.after(() => s.close());
  const tick = (ms) => t.mock.timers.tick(ms);
  const accept = () => (side.accept(), side.arriveDown(99));
  /** Waits out the delay and takes the client back. */
  const back = () => (tick(s.state.nextRetryAt - Date.now()), accept());
  return {s, side, errors, tick, accept, back};
}
const turn = () => new Promise((resolve) => setImmediate(resolve));
const ids = (items) => items.map((i) => (Array.isArray(i[0]) ? i[0][0] : i[0]));
const numbers = (items) => items.filter((i) => i[0] === "n/n").map((i) => i[1]);
const count = (n) => Array.from({length: n}, (_, i) => i);

for (let seed = 1; seed <= 60; seed++) {
  test(`cut at any moment, seed ${seed}: nothing is lost, doubled or out of order, either way`, async (t) => {
    const rnd = random(seed);
    const upTo = (n) => Math.floor(rnd() * n);
    const credit = [0, 4, 64, 256][upTo(4)];
    const {s, side, errors, tick, accept} = start(t, {credit, backoff: () => 10, bundle: rnd() < 0.8, timeoutMs: 1e9, maxQueue: [20, 1e6][upTo(2)],
      side: {credit: [2, 8, 1000][upTo(3)]}});
    const [heard, replies, answers] = [[], [], []];
    let [up, down, asked, refused, called, tries] = [0, 0, 0, 0, 0, 0];
    s.on("n/n", (n) => heard.push(n));
    s.on("n/ask", async (n) => (await turn(), n));
    const onItem = (item) => {
      if (Array.isArray(item[0]) && item[0][0] === "n/ask") side.send(["chsk/reply", item[1], item[0][1]]);
      if (item[0] === "chsk/reply") answers.push([item[1], item[2]]);
    };
    accept();
    for (let step = 0; step < 400; step++) {
      switch (upTo(9)) {
        case 0: case 1: for (let k = upTo(25); k >= 0; k--) if (s.send("n/n", up).status !== "rejected") up++; break;
        case 2: for (let k = upTo(25); k >= 0; k--) side.send(["n/n", down++]); break;
        case 3: side.arriveUp(upTo(4), onItem); break;
        case 4: side.arriveDown(upTo(4)); break;
        case 5: {
          const n = asked++;
          s.ask("n/ask", n).then((got) => replies.push([n, got]), (e) => {
            assert.equal(e.code, "sente-lite/busy");
            refused++;
          });
          break;
        }
        case 6: side.send([["n/ask", called], `c${called++}`]); break;
        case 7: rnd() < 0.5 ? tick(upTo(1200)) : side.ack(); break;
        case 8: if (rnd() < 0.3) rnd() < 0.8 ? side.cut(upTo(3), upTo(3), onItem) : s.reconnect(); break;
      }
      if (rnd() < 0.5) await turn();
      // A socket that waits for a greeting gets it, at once or later; some never do.
      if (s.state.status === "waiting") tick(10);
      if (side.linked !== side.socket && rnd() < 0.5) rnd() < 0.2 && tries++ < 20 ? side.cut() : side.accept();
    }
    for (let k = 0; k < 5000 && (k < 50 || s.pending.count > 0 || side.session.acked < side.session.out.length); k++) {
      if (s.state.status === "waiting") tick(10);
      if (side.linked !== side.socket) side.accept();
      side.arriveUp(99, onItem);
      side.arriveDown(99);
      side.ack();
      tick(50);
      await turn();
    }
    assert.equal(side.sessions.size, 1);
    assert.deepEqual(numbers(side.session.got), count(up));
    assert.deepEqual(heard, count(down));
    assert.equal(replies.length, asked - refused);
    assert.ok(replies.every(([n, got]) => n === got));
    assert.deepEqual(answers.map(([, n]) => n).sort((a, b) => a - b), count(called));
    assert.ok(answers.every(([cb, n]) => cb === `c${n}`));
    assert.deepEqual(errors, []);
    assert.deepEqual(s.pending, {count: 0, safeToClose: true, oldestMs: 0});
    assert.equal(side.session.acked, side.session.out.length);
    assert.equal(s.lateReplies, 0);
  });
}
