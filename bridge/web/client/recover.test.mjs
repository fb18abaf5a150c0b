// Recovery, credit and bundles of sente-lite.js, under mocked time, against the sidecar's side in side.mjs.

import {test} from "node:test";
import assert from "node:assert/strict";
import {SenteLite} from "./fake.mjs";
import {Side, random, slowGzip} from "./side.mjs";

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
const numbers = (items) => items.filter((i) => i[0] === "n/n").map((i) => parseInt(i[1]));
const count = (n) => Array.from({length: n}, (_, i) => i);

for (let seed = 1; seed <= 100; seed++) {
  const gzip = seed > 60;
  const sized = (n) => (gzip ? `${n} ${"x".repeat(99 + n % 99)}` : n);
  test(`cut at any moment${gzip ? ", gzipped" : ""}, seed ${seed}: nothing is lost, doubled or out of order, either way`, async (t) => {
    const rnd = random(seed);
    const upTo = (n) => Math.floor(rnd() * n);
    if (gzip) slowGzip(t, async () => { for (let n = seed % 4; n > 0; n--) await turn(); });
    const credit = [0, 4, 64, 256][upTo(4)];
    const {s, side, errors, tick, accept} = start(t, {credit, gzip, backoff: () => 10, bundle: rnd() < 0.8, timeoutMs: 1e9, maxQueue: [20, 1e6][upTo(2)],
      side: {credit: [2, 8, 1000][upTo(3)]}});
    const [heard, replies, answers] = [[], [], []];
    let [up, down, asked, refused, called, tries] = [0, 0, 0, 0, 0, 0];
    s.on("n/n", (n) => heard.push(parseInt(n)));
    s.on("n/ask", async (n) => (await turn(), n));
    const onItem = (item) => {
      if (Array.isArray(item[0]) && item[0][0] === "n/ask") side.send(["chsk/reply", item[1], item[0][1]]);
      if (item[0] === "chsk/reply") answers.push([item[1], item[2]]);
    };
    accept();
    for (let step = 0; step < 400; step++) {
      switch (upTo(9)) {
        case 0: case 1: for (let k = upTo(25); k >= 0; k--) if (s.send("n/n", sized(up)).status !== "rejected") up++; break;
        case 2: for (let k = upTo(25); k >= 0; k--) side.send(["n/n", sized(down++)]); break;
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

test("resumed: what the sidecar lacks is written again ahead of what is new, calls wait, subscriptions stay", async (t) => {
  const told = [];
  const {s, side, errors, accept, back} = start(t, {onReconnect: (state, recovery) => told.push([state.reason, recovery])});
  accept();
  const sub = s.subscribe("lobby", () => {});
  side.arriveUp(1);
  side.send(["chsk/reply", side.session.got[0][1], {"channel-id": "lobby", success: true}]);
  side.arriveDown(9);
  await sub;
  s.send("a/one");
  await turn();
  const answer = s.ask("a/two");
  s.send("a/three");
  side.cut(1);
  assert.deepEqual(s.send("a/four"), {status: "queued", queueSize: 2});
  back();
  side.arriveUp(9);
  assert.deepEqual(ids(side.session.got), ["sente-lite/subscribe", "a/one", "a/two", "a/three", "a/four"]);
  side.send(["chsk/reply", side.session.got[2][1], 2]);
  side.arriveDown(9);
  assert.equal(await answer, 2);
  assert.deepEqual(told, [["resumed", {recovered: true, missed: 0, unsure: 0, reason: null}]]);
  assert.deepEqual(errors, []);
});

test("not resumed: what was written is told, what was not is sent, calls that were written end", async (t) => {
  const told = [];
  const {s, side, errors, accept, back} = start(t, {onReconnect: (_, recovery) => told.push(recovery)});
  accept();
  s.send("a/one");
  s.send("a/one");
  s.send("a/two");
  const lost = assert.rejects(s.ask("a/ask"), {code: "chsk/closed", retry: false});
  const known = assert.rejects(s.flush({acked: true}), {code: "chsk/closed"});
  await turn();
  side.cut();
  s.send("a/new");
  const waits = s.ask("a/waits");
  side.refuse = "expired";
  back();
  await Promise.all([lost, known]);
  assert.equal(errors.length, 1);
  assert.equal(errors[0].code, "sente-lite/unsure");
  assert.deepEqual(errors[0].data, {count: 3, events: {"a/one": 2, "a/two": 1}});
  assert.deepEqual(told, [{recovered: false, missed: 7, unsure: 3, reason: "expired"}]);
  assert.equal(s.state.reason, "reopened");
  assert.equal(s.state.recovery, told[0]);
  side.arriveUp(9);
  assert.deepEqual(ids(side.session.got), ["a/new", "a/waits"]);
  side.send(["chsk/reply", side.session.got[1][1], "yes"]);
  side.arriveDown(9);
  assert.equal(await waits, "yes");
});

test("reconnect keeps the session, close ends it", (t) => {
  const {s, side, errors, accept} = start(t);
  accept();
  s.send("a/one");
  s.reconnect();
  assert.deepEqual(side.all[0].closed, {code: 3000, reason: "reconnect"});
  accept();
  assert.equal(s.state.reason, "resumed");
  side.arriveUp(9);
  assert.deepEqual(ids(side.session.got), ["a/one"]);
  s.close();
  assert.equal(side.all[1].closed.code, 1000);
  assert.equal(s.pending.count, 0);
  s.reconnect();
  assert.ok(!side.socket.url.includes("session="));
  accept();
  assert.deepEqual(s.state.recovery, {recovered: false, missed: null, unsure: 0, reason: "closed"});
  assert.deepEqual(errors, []);
});

test("a bundle that cannot be read, and a count that cannot be, begin a session", (t) => {
  const {s, side, errors, accept, tick} = start(t, {backoff: () => 10});
  accept();
  side.socket.onmessage({data: '["batch/events",[["a/b",1'});
  assert.equal(s.state.reason, "uncounted");
  tick(10);
  assert.ok(!side.socket.url.includes("session="));
  accept();
  assert.equal(s.state.recovery.reason, "uncounted");
  side.cut();
  tick(10);
  side.session.got.push(["never/sent"]);
  accept();
  assert.equal(s.state.status, "waiting");
  assert.equal(s.state.reason, "uncounted");
  assert.deepEqual(errors.map((e) => e.code), ["sente-lite/bad-message"]);
});

test("with recover: false, and where the sidecar has none, nothing is kept", async (t) => {
  for (const [options, limits] of [[{recover: false}, {}], [{}, {"backup-secs": 0}]]) {
    const {s, side, accept, back} = start(t, {...options, side: {limits}});
    accept();
    assert.equal(side.socket.url.includes("recover=1"), options.recover !== false);
    s.send("a/one");
    assert.equal(s.pending.count, 0);
    const lost = assert.rejects(s.ask("a/ask"), {code: "chsk/closed"});
    side.cut();
    await lost;
    back();
    assert.ok(!side.socket.url.includes("session="));
    assert.deepEqual([s.state.recovery.recovered, s.state.recovery.reason], [false, "off"]);
    const has = s.flush({acked: true});
    assert.deepEqual(side.socket.sent, []);
    await has;
    s.send("a/two");
    const pong = s.flush({acked: true});
    side.arriveUp(9);
    side.arriveDown(9);
    await pong;
    s.close();
    t.mock.timers.reset();
  }
});

test("acknowledges after 32 items or a second, and only what is new", (t) => {
  const {side, accept, tick} = start(t, {credit: 0});
  accept();
  for (let n = 0; n < 31; n++) side.send(["n/n", n]);
  side.arriveDown(99);
  assert.deepEqual(side.socket.sent, []);
  side.send(["n/n", 31]);
  side.arriveDown(1);
  assert.deepEqual(side.socket.sent, [["sente-lite/ack", 32]]);
  tick(5000);
  assert.equal(side.socket.sent.length, 1);
  side.send([["n/ask", 1], null]);
  side.socket.onmessage({data: '["chsk/ws-ping"]'});
  side.arriveDown(1);
  tick(999);
  assert.deepEqual(side.socket.sent.slice(1), [["chsk/ws-pong"]]);
  tick(1);
  assert.deepEqual(side.socket.sent.slice(2), [["sente-lite/ack", 33]]);
});

test("credit: renewed at half, asked for in the address, and obeyed, with nothing overtaking", async (t) => {
  const {s, side, accept} = start(t, {credit: 4, side: {credit: 2}});
  accept();
  assert.ok(side.socket.url.includes("credit=4"));
  for (let n = 0; n < 6; n++) side.send(["n/n", n]);
  assert.equal(side.session.written, 4);
  side.arriveDown(9);
  assert.deepEqual(side.socket.sent, [["sente-lite/credit", 2], ["sente-lite/credit", 2]]);
  side.socket.sent.length = 0;
  assert.equal(s.send("a/1").status, "ok");
  assert.equal(s.send("a/2").status, "ok");
  assert.deepEqual(s.send("a/3"), {status: "queued", queueSize: 2});
  side.socket.onmessage({data: '[["no/handler"],"c1"]'});
  await turn();
  assert.deepEqual(side.socket.sent.map((i) => ids([i])[0]), ["a/1", "a/2"]); // the reply waits behind a/3
  side.socket.onmessage({data: '["sente-lite/credit",1]'});
  await turn();
  assert.equal(s.queued, 0);
});

test("bundles: a lone event and a ping-pong are never held, a burst is, a call takes all along", async (t) => {
  const {s, side, accept, tick} = start(t, {maxQueue: 5000, side: {credit: 5000, limits: {"event-buffer-size": 100}}});
  accept();
  const frames = () => side.socket.sent.splice(0).map((f) => (f[0] === "batch/events" ? f[1].length : 1));
  for (let n = 0; n < 3; n++) {
    s.send("n/n", n);
    assert.deepEqual(frames(), [1]);
    await turn();
  }
  for (let n = 0; n < 1000; n++) assert.equal(s.send("n/n", n).status, "ok");
  await turn();
  assert.deepEqual(frames(), [1, 100, 100, 100, 100, 100, 100, 100, 100, 100]);
  tick(24);
  s.send("n/n", 1000);
  assert.equal(s.queued, 0); // full: it leaves at once
  assert.deepEqual(frames(), [100]);
  tick(24);
  s.send("n/n", 1);
  await turn();
  assert.deepEqual(frames(), []); // held, since the last bundle was no lone event
  tick(1);
  assert.deepEqual(frames(), [1]);
  await turn();
  s.send("n/n", 2);
  assert.deepEqual(frames(), [1]);
  s.send("n/n", 3);
  s.ask("n/ask").catch(() => {});
  assert.deepEqual(frames(), [2]);
  await turn();
  s.send("n/n", 4);
  await turn();
  assert.deepEqual(frames(), []);
  s.flush();
  assert.deepEqual(frames(), [1]);
});

test("what expires unwritten is dropped and told, what was written is not", async (t) => {
  const {s, side, errors, accept, tick} = start(t);
  s.send("a/short", 1, {expiresMs: 100});
  s.send(["a/long"], {expiresMs: 1000});
  assert.deepEqual(s.pending, {count: 2, safeToClose: false, oldestMs: 0});
  tick(100);
  assert.equal(s.pending.count, 1);
  assert.equal(s.pending.oldestMs, 100);
  assert.deepEqual(errors.map((e) => [e.code, e.event]), [["sente-lite/expired", "a/short"]]);
  accept();
  tick(1000);
  side.arriveUp(9);
  assert.deepEqual(ids(side.session.got), ["a/long"]);
  assert.equal(errors.length, 1);
});

test("flush waits for the write, or for the acknowledgement, and has a time", async (t) => {
  const {s, side, accept, tick} = start(t);
  s.send("a/one");
  const [seen, done] = [[], (word) => () => seen.push(word)];
  s.flush().then(done("written"));
  s.flush({acked: true}).then(done("acked"));
  const late = assert.rejects(s.flush({timeoutMs: 10}), {code: "chsk/timeout"});
  tick(10);
  await late;
  assert.deepEqual(seen, []);
  accept();
  await turn();
  assert.deepEqual(seen, ["written"]);
  side.arriveUp(9);
  side.ack();
  side.arriveDown(9);
  await turn();
  assert.deepEqual(seen, ["written", "acked"]);
  assert.equal(s.pending.safeToClose, true);
  s.send("a/two");
  const closed = assert.rejects(s.flush({acked: true}), {code: "chsk/closed"});
  side.socket.cut(4504, "kicked");
  await closed;
});

test("a sidecar that shuts down is not stormed by those who come back", (t) => {
  t.mock.method(Math, "random", () => 0.5);
  const {s, side, accept, tick} = start(t);
  accept();
  tick(6000);
  side.socket.cut(1001, "shutdown");
  assert.equal(s.state.nextRetryAt - Date.now(), 1500);
});

test("a reply to a call of a session that is over is not sent", async (t) => {
  const {s, side, accept, back} = start(t);
  accept();
  let answer;
  s.on("slow/one", () => new Promise((resolve) => { answer = resolve; }));
  side.send([["slow/one"], "c1"]);
  side.arriveDown(1);
  side.cut();
  side.refuse = "expired";
  back();
  answer(1);
  await turn();
  assert.deepEqual(side.socket.sent, []);
  assert.equal(s.pending.count, 0);
});

test("what the link itself says has no number, and a page cannot say it", async (t) => {
  const {s, accept} = start(t);
  accept();
  for (const id of ["chsk/ws-ping", "sente-lite/ack", "chsk/close", "sente-lite/credit"]) {
    assert.equal(s.send(id, 1).error.code, "sente-lite/reserved");
  }
  await assert.rejects(s.ask("chsk/ws-ping"), {code: "sente-lite/reserved", category: "forbidden"});
  assert.equal(s.pending.count, 0);
});

test("unsubscribing and joining again while away end as joined", async (t) => {
  const {s, side, accept, back} = start(t);
  accept();
  const join = () => {
    side.arriveUp(9);
    const [item] = side.session.got.slice(-1);
    side.send(["chsk/reply", item[1], {success: true}]);
    side.arriveDown(9);
  };
  const fn = () => {};
  const first = s.subscribe("c", fn);
  join();
  await first;
  side.cut();
  s.unsubscribe("c", fn);
  const again = s.subscribe("c", fn);
  back();
  join();
  await again;
  assert.deepEqual(ids(side.session.got), ["sente-lite/subscribe", "sente-lite/unsubscribe", "sente-lite/subscribe"]);
});

test("credit: a handler's promise holds back that of its event, for a time, and not while a call of ours waits", async (t) => {
  const {s, side, accept, tick} = start(t, {credit: 4});
  const doing = [];
  s.on("n/n", () => new Promise((resolve) => doing.push(resolve)));
  s.on("n/calls", () => s.ask("n/ask"));
  accept();
  const credits = () => side.socket.sent.splice(0).filter((i) => i[0] === "sente-lite/credit").map((i) => i[1]);
  for (let n = 0; n < 6; n++) side.send(["n/n", n]);
  side.arriveDown(9);
  await turn();
  assert.deepEqual([doing.length, credits()], [4, []]);
  doing[2]();
  doing[0]();
  await turn();
  assert.deepEqual(credits(), [2]);
  side.session.credit += 2;
  side.pump();
  side.arriveDown(9);
  assert.equal(doing.length, 6);
  tick(4999);
  assert.deepEqual(credits(), []);
  tick(1); // none of the four has ended
  assert.deepEqual(credits(), [2, 2]);
  doing.forEach((done) => done());
  await turn();
  assert.deepEqual(credits(), []);

  // The reply may stand behind events that wait for this credit.
  side.session.credit += 4;
  side.send(["n/n", 6]);
  side.send(["n/calls", 7]);
  side.arriveDown(9);
  assert.deepEqual(credits(), [2]);

  // What is held when the link goes is nothing to the next.
  side.send(["n/n", 8]);
  side.cut();
  tick(s.state.nextRetryAt - Date.now());
  accept();
  tick(5000);
  doing.forEach((done) => done());
  await turn();
  assert.deepEqual(credits(), []);
});
