// What outlives the page, over a small IndexedDB in memory: a record that is written is there for the next page.

import {test} from "node:test";
import assert from "node:assert/strict";
import {SenteLite} from "./fake.mjs";
import {Side, random} from "./side.mjs";

const turn = () => new Promise((resolve) => setImmediate(resolve));
const settle = async () => { for (let k = 0; k < 8; k++) await turn(); };
const count = (n) => Array.from({length: n}, (_, i) => i);
const numbers = (items) => items.filter((i) => i[0] === "n/n").map((i) => i[1]);

/** An indexedDB whose transactions end a turn later; records has what is on disk. */
function disk() {
  const records = new Map();
  const fake = {records, broken: false, frozen: false, page: 1};
  fake.open = () => {
    const {page} = fake; // what a page that is gone had under way is gone too
    const open = {result: {createObjectStore() {}, close() {}, transaction: () => {
      const tx = {objectStore: () => ({
        get: (k) => ({result: structuredClone(records.get(k))}),
        put: (v, k) => (tx.then = [k, structuredClone(v)], {}),
        delete: (k) => (tx.then = [k], {}),
      })};
      setImmediate(() => {
        if (fake.broken) return tx.onabort();
        if (fake.frozen || page !== fake.page) return;
        if (tx.then) records.set(...tx.then);
        tx.oncomplete();
      });
      return tx;
    }}};
    setImmediate(() => page === fake.page && (fake.broken ? open.onerror() : (open.onupgradeneeded(), open.onsuccess())));
    return open;
  };
  return fake;
}

function start(t) {
  const errors = [];
  const indexedDB = globalThis.indexedDB = disk();
  t.after(() => delete globalThis.indexedDB);
  const side = new Side();
  let s;
  /** A page that is loaded: the one before is gone without a word. */
  const load = (options) => {
    indexedDB.page++;
    t.mock.timers.reset(); // and its timers
    t.mock.timers.enable({apis: ["setTimeout", "Date"], now: 1000});
    s = SenteLite.connect({url: "ws://127.0.0.1/ws", WebSocket: side.MemorySocket, store: "tab", backoff: () => 10,
      onError: (e) => errors.push(e), ...options});
    t.after(() => s.close());
    return s;
  };
  const accept = () => (side.accept(), side.arriveDown(99));
  return {side, errors, load, accept, indexedDB};
}

test("what waits, and the session, outlive the page", async (t) => {
  const {side, errors, load, accept} = start(t);
  let s = load();
  s.send("n/n", 0);
  s.ask("n/ask").catch(() => {}); // nobody is there any more to hear of it
  await settle();
  s = load();
  assert.equal(s.send("n/n", 1).status, "queued");
  await settle();
  assert.equal(s.pending.count, 2);
  accept();
  await settle();
  side.arriveUp(9);
  assert.deepEqual(side.session.got, [["n/n", 0], ["n/n", 1]]);
  s.send("n/n", 2);
  await settle();
  side.cut();
  s = load();
  const heard = [];
  s.on("n/n", (n) => heard.push(n));
  side.session.out.push(["n/n", 7]);
  await settle();
  accept();
  assert.equal(s.state.reason, "resumed");
  await settle();
  side.arriveUp(9);
  assert.deepEqual(numbers(side.session.got), [0, 1, 2]);
  assert.deepEqual(heard, [7]);
  assert.deepEqual(errors, []);
});

test("nothing is written or acknowledged before it is on disk", async (t) => {
  const {side, load, accept, indexedDB} = start(t);
  const s = load();
  await settle();
  accept();
  await settle();
  indexedDB.frozen = true;
  assert.equal(s.send("n/n", 0).status, "queued");
  for (let n = 0; n < 40; n++) side.send(["n/n", n]);
  side.arriveDown(99);
  await settle();
  assert.deepEqual(side.socket.sent, []);
});

test("without a store it goes on, and says so", async (t) => {
  const {side, errors, load, accept, indexedDB} = start(t);
  indexedDB.broken = true;
  const s = load();
  await settle();
  accept();
  s.send("n/n", 0);
  side.arriveUp(9);
  assert.deepEqual(side.session.got, [["n/n", 0]]);
  assert.deepEqual(errors.map((e) => e.code), ["sente-lite/no-store"]);
});

for (let seed = 1; seed <= 20; seed++) {
  test(`loaded anew at any moment, seed ${seed}: nothing that is on disk is lost, doubled or out of order`, async (t) => {
    const {side, errors, load, accept} = start(t);
    const rnd = random(seed);
    const upTo = (n) => Math.floor(rnd() * n);
    let s = load();
    await settle();
    accept();
    await settle();
    let [up, safe] = [0, 0];
    for (let step = 0; step < 120; step++) {
      switch (upTo(6)) {
        case 0: case 1: s.send("n/n", up++); break;
        case 2: await turn(); break;
        case 3: await settle(); safe = up; break;
        case 4: side.arriveUp(upTo(3)); break;
        case 5:
          if (rnd() < 0.7) break;
          side.cut(upTo(2));
          s = load();
          await settle();
          accept();
          await settle();
          up = Math.max(safe, ...numbers(side.session.got).map((n) => n + 1), ...onDisk());
          break;
      }
    }
    await settle();
    side.arriveUp(999);
    side.ack();
    side.arriveDown(99);
    t.mock.timers.tick(100);
    await settle();
    side.arriveUp(999);
    assert.equal(side.sessions.size, 1);
    assert.deepEqual(numbers(side.session.got), count(up));
    assert.deepEqual(errors, []);

    function onDisk() {
      return [...globalThis.indexedDB.records.values()].flatMap((r) => numbers(r.items.map((i) => JSON.parse(i.text)))).map((n) => n + 1);
    }
  });
}
