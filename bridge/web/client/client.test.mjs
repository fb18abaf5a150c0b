// sente-lite.js against a server of npm's ws: the wire, calls both ways, channels, coming back.

import {test} from "node:test";
import assert from "node:assert/strict";
import {gzipSync} from "node:zlib";
import {runInNewContext} from "node:vm";
import {SenteLite, WebSocket, source, sidecar, echo, states} from "./fake.mjs";

const quick = () => 1;

async function pair(t, server = {}, options = {}) {
  const side = await sidecar({onItem: echo, ...server});
  const state = states();
  const opened = state.next((s) => s.open);
  const s = SenteLite.connect({url: side.url, WebSocket, backoff: quick, onState: state.watch, ...options});
  t.after(async () => {
    s.close();
    await side.close();
  });
  return {side, s, state, opened};
}

// 8 KB were enough while a link that went lost what was under way. Recovery both ways, credit, bundles and the store
// are the rest: none can be left to the page, since the sidecar counts with them.
test("is at most 12.5 KB gzipped", () => {
  assert.ok(gzipSync(source).length <= 12800, `${gzipSync(source).length} bytes`);
});

test("is one classic script: it needs nothing but WebSocket and leaves one global", () => {
  const made = [];
  class Socket { constructor(...args) { made.push(args); } close() {} }
  const page = {URL, WebSocket: Socket, TextEncoder, setTimeout, clearTimeout, location: {href: "https://example.org/app/page.html?x=1#y"}};
  const before = Object.keys(page);
  runInNewContext(source, page);
  assert.deepEqual(Object.keys(page).filter((k) => !before.includes(k)), ["SenteLite"]);
  page.SenteLite.connect({base: "/app", params: {room: "a b"}}).close();
  assert.equal(made[0][0], "wss://example.org/app/ws?room=a+b&v=1&packer=json&bundle=1&credit=256&recover=1");
});

test("says why there is no socket, without the query of its URL", async () => {
  class Socket { constructor(url) { throw new SyntaxError(`Failed to construct 'WebSocket': The URL '${url}' is invalid.`); } }
  const told = [];
  const s = SenteLite.connect({url: "ws://h/ws", clientId: "secret", WebSocket: Socket, onState: (state) => told.push(state), onError: (e) => told.push(e)});
  await new Promise((done) => setImmediate(done));
  assert.match(JSON.stringify(s.state), /The URL 'ws:\/\/h\/ws' is invalid/);
  assert.ok(told.length > 0);
  assert.ok(!JSON.stringify([told, s.state]).includes("secret"), JSON.stringify(told));
});

test("says what is wrong with an address", () => {
  for (const url of ["/ws", "file:///ws", "::"]) {
    assert.throws(() => SenteLite.connect({url, WebSocket}), /no WebSocket address here; give/);
  }
});

test("takes the handshake", async (t) => {
  const told = [];
  const {side, s, opened} = await pair(t, {}, {onOpen: (now) => told.push(now.uid)});
  const state = await opened;
  assert.equal(state.status, "open");
  assert.equal(state.reason, "opened");
  assert.equal(state.uid, "conn-1");
  assert.equal(state.session, "s1");
  assert.equal(state.handshake.protocol, 1);
  assert.equal(state.handshake.first, true);
  assert.ok(Object.isFrozen(state));
  assert.match(side.peers[0].request.url, /^\/ws\?v=1&packer=json&bundle=1&credit=256&recover=1$/);
  assert.equal(side.peers[0].request.headers["sec-websocket-protocol"], undefined);
  assert.deepEqual(told, ["conn-1"]);
  assert.equal(typeof await s.ping(), "number");
});

for (const [token, want] of [
  ["abc.DEF-1", "sente-lite,sente-lite.token.abc.DEF-1"],
  ["a/b=ü", "sente-lite,sente-lite.token." + Buffer.from("a/b=ü").toString("base64url")],
]) {
  test(`the token ${token} travels as a subprotocol`, async (t) => {
    const {side, opened} = await pair(t, {}, {token: async () => token});
    await opened;
    const {headers, url} = side.peers[0].request;
    assert.equal(headers["sec-websocket-protocol"], want);
    assert.ok(!url.includes("token"));
  });
}

test("a token function is asked at each connect, and its failure is a try like others", async (t) => {
  let asked = 0;
  const {side, state, opened} = await pair(t, {}, {token: () => {
    if (++asked === 1) throw new Error("no network");
    return `t${asked}`;
  }});
  await opened;
  assert.ok(state.seen.some((s) => s.reason === "token-failed" && s.lastClose.reason === "token: no network"));
  const again = state.next((s) => s.reason === "reopened");
  side.peers[0].ws.terminate();
  await again;
  assert.deepEqual(side.peers.map((p) => p.request.headers["sec-websocket-protocol"]),
    ["sente-lite,sente-lite.token.t2", "sente-lite,sente-lite.token.t3"]);
});

test("events go both ways", async (t) => {
  const {side, s, opened} = await pair(t);
  await opened;
  const got = [];
  const off = s.on("chat/msg", (data, event) => got.push([data, event]));
  s.on("*", (data, event) => got.push(event[0]));
  side.peers[0].send(["chat/msg", {n: 1}]);
  side.peers[0].send([["chat/msg", {n: 2}], null]); // a call without a cb is an event
  await s.ping();
  off();
  side.peers[0].send(["chat/msg", {n: 3}]);
  await s.ping();
  assert.deepEqual(got, [[{n: 1}, ["chat/msg", {n: 1}]], "chat/msg", [{n: 2}, ["chat/msg", {n: 2}]], "chat/msg", "chat/msg"]);
  assert.deepEqual(s.send("chat/msg", {n: 4}), {status: "ok", queueSize: 0});
  assert.deepEqual(s.send(["chat/bare"]), {status: "ok", queueSize: 1}); // it goes at the end of the turn
  assert.deepEqual(await side.item((i) => i[0] === "chat/bare"), ["chat/bare"]);
  assert.ok(side.items.some((i) => i[0] === "chat/msg" && i[1].n === 4));
  for (const bad of ["nospace", "/x", "a b/c", 7, null, undefined]) {
    assert.throws(() => s.send(bad), /an event's id is "namespace\/name", got/);
  }
});

test("calls are answered, and errors reject with their fields", async (t) => {
  const error = {category: "forbidden", code: "sente-lite/policy", message: "no", hint: "ask", "event-id": "a/b", "retry?": true, data: {x: 1}};
  const {s} = await pair(t, {onItem: (item, peer) => {
    echo(item, peer);
    const answers = {"no/way": ["sente-lite/error", error], "no/time": "chsk/timeout", "no/thing": null};
    const id = item[0][0];
    if (id in answers) peer.send(["chsk/reply", item[1], answers[id]]);
  }});
  assert.deepEqual(await s.ask("echo/it", {deep: [1, null]}), {deep: [1, null]});
  assert.equal(await s.ask("no/thing"), null);
  await assert.rejects(s.ask("no/way"), (e) => {
    assert.ok(e instanceof SenteLite.Error);
    assert.deepEqual({...e}, {name: "SenteLiteError", category: "forbidden", code: "sente-lite/policy", hint: "ask", retry: true,
      event: "a/b", data: {x: 1}});
    return e.message === "no";
  });
  await assert.rejects(s.ask("no/time"), {code: "chsk/timeout", category: "unavailable"});
  await assert.rejects(s.ask("never/answered", {}, {timeoutMs: 5}), {code: "chsk/timeout", retry: false});
  await assert.rejects(s.ask("bad"), TypeError);
});

test("a late reply is counted and disturbs nobody", async (t) => {
  let late;
  const {side, s} = await pair(t, {onItem: (item, peer) => {
    if (item[0][0] === "be/late") late = () => peer.send(["chsk/reply", item[1], 1]);
    else echo(item, peer);
  }});
  const call = s.ask("be/late", 0, {timeoutMs: 30});
  await side.item((i) => i[0][0] === "be/late");
  await assert.rejects(call, {code: "chsk/timeout"});
  late();
  await s.ping();
  assert.equal(s.lateReplies, 1);
});

test("answers calls with what the handler returns, and its failure as an error", async (t) => {
  const failed = [];
  const {side, s, opened} = await pair(t, {}, {onError: (e) => failed.push(e.message)});
  await opened;
  s.on("page/title", () => "Demo");
  s.on("page/later", async ({n}) => n + 1);
  s.on("page/nothing", () => {});
  s.on("page/breaks", () => { throw new Error("oh"); });
  s.on("page/loops", () => { const x = {}; x.x = x; return x; });
  const ask = async (id, data) => {
    side.peers[0].send([[id, data], `c-${id}`]);
    return (await side.item((i) => i[0] === "chsk/reply" && i[1] === `c-${id}`))[2];
  };
  assert.equal(await ask("page/title"), "Demo");
  assert.equal(await ask("page/later", {n: 1}), 2);
  assert.equal(await ask("page/nothing"), null);
  const [word, error] = await ask("page/breaks");
  assert.equal(word, "sente-lite/error");
  assert.deepEqual(error, {category: "fault", code: "sente-lite/handler-failed", message: "page/breaks: the handler failed: oh",
    "event-id": "page/breaks", "retry?": false});
  assert.equal((await ask("page/loops"))[1].category, "fault");
  assert.equal((await ask("page/unknown"))[1].category, "not-found");
  assert.equal(failed.length, 2);
});

test("takes bundles in order, and what cannot be read costs that message only", async (t) => {
  const errors = [];
  const {side, s, opened} = await pair(t, {}, {onError: (e) => errors.push(e.code)});
  await opened;
  const got = [];
  s.on("a/b", (n) => {
    got.push(n);
    if (n === 2) throw new Error("a handler's own");
  });
  side.peers[0].send(["batch/events", [["a/b", 1], ["a/b", 2], [["a/b", 3], "cb"], ["a/b", 4]]]);
  for (const junk of ["{", "7", "null", "[]", "{\"a\":1}", "[7]", "[\"chsk/reply\"]", "[[[]],\"x\"]"]) side.peers[0].ws.send(junk);
  side.peers[0].send(["sente-lite/channel-msg", null]);
  side.peers[0].send(["a/b", 5]);
  await s.ping();
  assert.deepEqual(got, [1, 2, 3, 4, 5]);
  assert.ok(errors.filter((c) => c === "sente-lite/bad-message").length >= 6, errors.join());
});

test("errors that belong to no call reach onError", async (t) => {
  const errors = [];
  const {side, s, opened} = await pair(t, {}, {onError: (e) => errors.push(e)});
  await opened;
  side.peers[0].send(["sente-lite/error", {category: "busy", code: "sente-lite/backpressure", message: "slow", "event-id": "a/b"}]);
  await s.ping();
  assert.equal(errors[0].category, "busy");
  assert.equal(errors[0].event, "a/b");
});

test("calls under way fail at once when the link goes; subscriptions and what waits survive it", async (t) => {
  const {side, s, state} = await pair(t);
  const got = [];
  await s.subscribe("lobby", (data, meta) => got.push([data, meta]));
  const call = s.ask("never/answered");
  const fails = assert.rejects(call, {code: "chsk/closed", retry: false});
  await side.item((i) => i[0][0] === "never/answered");
  const down = state.next((x) => x.status === "waiting");
  const up = state.next((x) => x.reason === "reopened");
  side.peers[0].ws.terminate();
  await Promise.all([fails, down]);
  assert.deepEqual(s.send("a/one"), {status: "queued", queueSize: 1});
  const answer = s.ask("echo/it", 7);
  assert.deepEqual(s.publish("lobby", {text: "x"}, {excludeSender: true}), {status: "queued", queueSize: 3});
  assert.equal(s.queued, 3);
  await up;
  assert.equal(await answer, 7);
  const bundle = side.frames.find((f) => f[0] === "batch/events")[1];
  assert.deepEqual(bundle.map((i) => (Array.isArray(i[0]) ? i[0] : i)), [
    ["sente-lite/subscribe", {"channel-id": "lobby"}], ["a/one"], ["echo/it", 7],
    ["sente-lite/publish", {"channel-id": "lobby", data: {text: "x"}, "exclude-sender?": true}]]);
  side.peers[1].send(["sente-lite/channel-msg", {"channel-id": "lobby", data: {n: 1}, from: "conn-9"}]);
  side.peers[1].send(["sente-lite/channel-msg", {"channel-id": "other", data: {n: 2}, from: "conn-9"}]);
  await s.ping();
  assert.deepEqual(got, [[{n: 1}, {channel: "lobby", from: "conn-9"}]]);
});

test("a refused channel rejects and is not asked for again", async (t) => {
  const {side, s, state} = await pair(t, {onItem: (item, peer) => {
    if (item[0][0] === "sente-lite/subscribe") peer.send(["chsk/reply", item[1], {...item[0][1], success: false, error: "not-allowed"}]);
  }});
  await assert.rejects(s.subscribe("secret", () => {}), {code: "sente-lite/not-allowed", category: "forbidden"});
  const up = state.next((x) => x.reason === "reopened");
  side.peers[0].ws.terminate();
  await up;
  await s.ping();
  assert.equal(side.items.filter((i) => i[0][0] === "sente-lite/subscribe").length, 1);
});

test("the answer of a subscription may be an event; the last unsubscribe leaves", async (t) => {
  const {side, s} = await pair(t, {onItem: (item, peer) => {
    const [id, data] = Array.isArray(item[0]) ? item[0] : item;
    if (id === "sente-lite/subscribe") peer.send(["sente-lite/subscribed", {...data, success: true}]);
    else echo(item, peer);
  }});
  const one = () => {};
  const two = () => {};
  await Promise.all([s.subscribe("c", one), s.subscribe("c", two)]);
  assert.equal(side.items.length, 1);
  await s.unsubscribe("c", one);
  assert.equal(side.items.length, 1);
  await s.unsubscribe("c", two);
  assert.equal(side.items.length, 2);
  assert.deepEqual(side.items[1][0], ["sente-lite/unsubscribe", {"channel-id": "c"}]);
});

test("messages to one peer", async (t) => {
  const {side, s, opened} = await pair(t);
  await opened;
  assert.deepEqual(s.sendTo("conn-7", {text: "psst"}), {status: "ok", queueSize: 0});
  assert.deepEqual(await side.item((i) => i[0] === "msg/send-to-client"), ["msg/send-to-client", {"to-uid": "conn-7", message: {text: "psst"}}]);
  const got = new Promise((resolve) => s.on("msg/receive", resolve));
  side.peers[0].send(["msg/receive", {"from-uid": "conn-7", message: {text: "yes?"}}]);
  assert.deepEqual(await got, {"from-uid": "conn-7", message: {text: "yes?"}});
});

const CLOSES = [
  [1001, "waiting", "shutdown"], [1011, "waiting", "server-closed"], [4000, "waiting", "ping-timeout"],
  [4001, "waiting", "overloaded"], [4002, "waiting", "draining"], [4499, "waiting", "server-closed"],
  [4500, "closed", "replaced"], [4501, "closed", "unauthorized"], [4502, "closed", "token-expired"], [4503, "closed", "origin"],
  [4504, "closed", "kicked"], [4505, "closed", "protocol"], [4506, "closed", "version"], [4507, "closed", "too-large"],
  [4508, "closed", "credit"], [4999, "closed", "refused"],
];
for (const [code, status, why] of CLOSES) {
  test(`${code} leads to ${status} with reason ${why}`, async (t) => {
    const ends = [];
    const {side, s, state, opened} = await pair(t, {}, {backoff: () => 60000, onClose: (c) => ends.push(c.why)});
    await opened;
    const next = state.next((x) => x.status !== "open");
    side.peers[0].ws.close(code, "because spread-ms=60000");
    const now = await next;
    assert.equal(now.status, status);
    assert.equal(now.reason, why);
    assert.equal(now.open, false);
    assert.deepEqual(now.lastClose, {code, reason: "because spread-ms=60000", clean: true, why});
    assert.deepEqual(ends, [why]);
    assert.equal(now.nextRetryAt === null, status === "closed");
    assert.equal(s.send("a/b").status, status === "closed" ? "rejected" : "queued");
    if (status === "closed") await assert.rejects(s.ask("a/b"), {code: "chsk/closed", retry: true});
  });
}

test("a refusal before the handshake is told too", async (t) => {
  const {s, state} = await pair(t, {shake: false, onPeer: (peer) => peer.ws.close(4501, "token required")});
  const sub = s.subscribe("lobby", () => {});
  const call = s.ask("a/b");
  await assert.rejects(call, {code: "chsk/closed", retry: true});
  await assert.rejects(sub, {code: "chsk/closed"});
  assert.deepEqual(state.seen.map((x) => `${x.status} ${x.reason}`), ["connecting connect", "closed unauthorized"]);
});

test("close ends, reconnect begins anew, and what waited is not lost", async (t) => {
  const {side, s, state, opened} = await pair(t);
  await opened;
  const call = assert.rejects(s.ask("never/answered"), {code: "chsk/closed"});
  s.close();
  s.close();
  await call;
  assert.equal(s.state.reason, "closed");
  assert.equal(s.send("a/b").status, "rejected");
  await assert.rejects(s.ping(), {code: "chsk/closed"});
  const up = state.next((x) => x.open);
  s.reconnect();
  assert.equal(s.send("a/late").status, "queued");
  await up;
  await side.item((i) => i[0] === "a/late");
  const again = state.next((x) => x.open);
  s.reconnect(); // from open
  await again;
  assert.deepEqual(state.seen.map((x) => x.reason), ["connect", "opened", "closed", "reconnect", "reopened", "reconnect", "reopened"]);
});
