// What the tests of sente-lite.js talk to: a small sidecar over npm's ws, and a socket in memory whose time is mocked.

import {createRequire} from "node:module";
import {once} from "node:events";
import {readFileSync} from "node:fs";
import {gunzipSync} from "node:zlib";

const npm = createRequire(new URL("../../../testdata/npm/package.json", import.meta.url));

export const WebSocket = npm("ws");

/** What is served, made of the parts as client.go does. */
export function served(name) {
  const all = read(name).replace(/^ *\/\/ include (\S+)\n/gm, (_, name) => read(name));
  const head = all.indexOf("*/\n") + 3;
  return all.slice(0, head) + all.slice(head).replace(/^ *(?:\/\/.*|\/\*\*[^]*?\*\/)\n/gm, "")
    .replace(/^ +|(?<=[;,{}()\]]) +\/\/ (?:[^"'`\n]|\w'\w)*$|\n(?=\n)/gm, "");
}
export const source = served("sente-lite.js");
function read(name) { return readFileSync(new URL(name, import.meta.url), "utf8"); }

function load(text) {
  const module = {exports: {}};
  new Function("module", text)(module);
  return module.exports;
}
export const SenteLite = load(source);
export const msgpack = load(served("sente-lite-msgpack.js"));
export const pakos = {pako2: npm("pako"), pako3: npm("pako3")};

export const HELLO = {session: "s1", seen: 0, version: "0.1.0", protocol: 1, now: 1766108726643, limits: {}};

/**
 * A sidecar that shakes hands, answers pings and records. `onItem(item, peer)` sees everything else that comes in, with
 * bundles taken apart; peers have the request and `send(item)`. With `shake: false` it keeps silent.
 */
export async function sidecar({onItem = () => {}, shake = true, onPeer = () => {}} = {}) {
  const server = new WebSocket.Server({port: 0, host: "127.0.0.1", handleProtocols: () => "sente-lite"});
  await once(server, "listening");
  const side = {url: `ws://127.0.0.1:${server.address().port}/ws`, peers: [], frames: [], items: []};
  const waiting = [];
  side.items.push = (...items) => {
    Array.prototype.push.apply(side.items, items);
    for (const w of waiting.splice(0)) w();
    return side.items.length;
  };
  /** Resolves to the first recorded item that the test is true of. */
  side.item = async (test) => {
    for (;;) {
      const found = side.items.find(test);
      if (found) return found;
      await new Promise((resolve) => waiting.push(resolve));
    }
  };
  server.on("connection", (ws, request) => {
    const peer = {ws, request, uid: `conn-${side.peers.length + 1}`, send: (item) => ws.send(JSON.stringify(item))};
    side.peers.push(peer);
    ws.on("message", (data) => {
      const value = JSON.parse(data);
      side.frames.push(value);
      for (const item of value[0] === "batch/events" ? value[1] : [value]) {
        side.items.push(item);
        if (item[0] === "chsk/ws-ping") peer.send(["chsk/ws-pong"]);
        else onItem(item, peer);
      }
    });
    onPeer(peer);
    if (shake) peer.send(["chsk/handshake", [peer.uid, null, HELLO, side.peers.length === 1]]);
  });
  side.close = async () => {
    for (const ws of server.clients) ws.terminate();
    server.close();
    await once(server, "close");
  };
  return side;
}

/** Answers every subscription, and every call "echo/it" with its data. */
export function echo(item, peer) {
  if (!Array.isArray(item[0])) return;
  const [[id, data], cb] = item;
  if (id === "echo/it") peer.send(["chsk/reply", cb, data]);
  if (id.startsWith("sente-lite/")) peer.send(["chsk/reply", cb, {...data, success: true}]);
}

/** A promise of the next state that the test is true of; give `watch` as onState. */
export function states() {
  const seen = [];
  const waiting = [];
  return {
    seen,
    watch: (now) => {
      seen.push(now);
      for (const w of waiting.slice()) {
        if (w.test(now)) {
          waiting.splice(waiting.indexOf(w), 1);
          w.resolve(now);
        }
      }
    },
    next: (test) => new Promise((resolve) => waiting.push({test, resolve})),
  };
}

/** A class of WebSockets in memory; `all` has every one made, and its test plays the server. */
export function memory() {
  const all = [];
  class MemorySocket {
    constructor(url, protocols) {
      Object.assign(this, {url, protocols, readyState: 0, bufferedAmount: 0, sent: [], raw: [], closed: null});
      all.push(this);
    }
    send(data) {
      this.raw.push(data);
      const gzipped = data[0] === 0x1f && data[1] === 0x8b;
      if (typeof data === "string") this.sent.push(JSON.parse(data));
      else if (this.url.includes("packer=json")) this.sent.push(JSON.parse(gunzipSync(data)));
      else this.sent.push(msgpack.unpack(gzipped ? gunzipSync(data) : data));
    }
    close(code, reason) {
      this.readyState = 2;
      this.closed = {code, reason};
    }
    receive(item) { this.onmessage({data: JSON.stringify(item)}); }
    shake(data = HELLO) {
      this.readyState = 1;
      this.receive(["chsk/handshake", [`conn-${all.length}`, null, data, true]]);
    }
    cut(code = 1006, reason = "") {
      this.readyState = 3;
      this.onclose({code, reason, wasClean: code !== 1006});
    }
  }
  return {all, MemorySocket, last: () => all[all.length - 1]};
}
