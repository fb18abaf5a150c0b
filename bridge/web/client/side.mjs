// The sidecar's side of a link in memory, for the tests of flow and recovery: sessions, numbers, acknowledgements, credit.
// What either side writes is under way until the test lets it arrive; a cut loses what is.

import {gunzipSync, gzipSync} from "node:zlib";
import {memory} from "./fake.mjs";

const FREE = /^(chsk\/|sente-lite\/(ack|credit|ready|error|open|close|reconnect)$)/;
const SILENT = /^(chsk\/(handshake|ws-ping|ws-pong|close)|sente-lite\/(ack|credit))$/;
const LIMITS = {"backup-secs": 5, "event-buffer-ms": 25, "event-buffer-size": 10, "max-frame-size": 65536};

export class Side {
  sessions = new Map(); // id → {id, got: [item …], out: [item …], acked, written, credit, window}
  down = []; // texts under way to the client
  refuse = null; // why no session is resumed, for a test of that
  #made = 0; #used = 0; #unacked = 0;

  constructor({credit = 1000, limits} = {}) {
    Object.assign(this, {creditGiven: credit, limits: {...LIMITS, ...limits}}, memory());
  }

  get socket() { return this.last(); }
  get open() { return this.session !== undefined && this.linked === this.socket && this.socket.readyState === 1; }

  /** Takes the newest socket and greets it. */
  accept() {
    const query = new URL(this.socket.url).searchParams;
    const asked = query.get("session");
    const known = this.refuse ? undefined : this.sessions.get(asked);
    const seen = Number(query.get("seen"));
    const s = this.session = known || {id: `S${++this.#made}`, got: [], out: [], acked: 0, written: 0};
    if (known) {
      if (!(seen >= s.acked && seen <= s.out.length)) throw new Error(`seen=${seen}, expected ${s.acked} to ${s.out.length}`);
      s.acked = s.written = seen;
    }
    if (this.refuse) this.sessions.clear();
    this.sessions.set(s.id, s);
    s.credit = query.has("credit") ? Number(query.get("credit")) : Infinity;
    s.window = query.has("credit") ? this.creditGiven : undefined;
    [this.#used, this.#unacked, this.down, this.linked] = [0, 0, [], this.socket];
    this.socket.readyState = 1;
    this.down.push(JSON.stringify(["chsk/handshake", ["conn-1", null, {session: s.id, seen: s.got.length, limits: this.limits,
      "recovered?": !!known, missed: known ? 0 : asked ? 7 : 0, ...(asked && !known && {reason: this.refuse || "unknown"}),
      ...(s.window !== undefined && {credit: s.window})}, !asked]]));
    this.pump();
    return s;
  }

  /** Queues an item for the session. */
  send(item) {
    this.session.out.push(item);
    this.pump();
  }

  /** Writes what credit allows; more than one item at a time as a bundle. */
  pump() {
    const s = this.session;
    if (!this.open) return;
    const items = [];
    while (s.written < s.out.length) {
      const cost = cost1(s.out[s.written]);
      if (cost > s.credit) break;
      s.credit -= cost;
      items.push(s.out[s.written++]);
    }
    if (items.length > 0) this.down.push(JSON.stringify(items.length > 1 ? ["batch/events", items] : items[0]));
  }

  /** Lets n messages of the client arrive; onItem(item) sees each that counts. */
  arriveUp(n, onItem = () => {}) {
    for (const value of this.open ? this.socket.sent.splice(0, n) : []) {
      for (const item of value[0] === "batch/events" ? value[1] : [value]) this.#take(item, onItem);
    }
  }

  /** Lets n messages arrive at the client. */
  arriveDown(n) {
    for (let i = 0; i < n && this.down.length > 0 && this.open; i++) {
      const data = this.down.shift();
      const [id, k] = JSON.parse(data);
      if (id === "sente-lite/credit") this.session.window += k; // no earlier: the client cannot know
      const zips = data.length > 200 && id !== "chsk/handshake" && this.socket.url.includes("gzip=1");
      this.socket.onmessage?.({data: zips ? new Uint8Array(gzipSync(data)).buffer : data});
    }
  }

  /** Ends the link: what is under way is lost, the first up of the client's messages and down of ours aside. */
  cut(up = 0, down = 0, onItem) {
    this.arriveUp(up, onItem);
    this.arriveDown(down);
    this.down = [];
    if (this.socket.readyState < 2) this.socket.cut();
  }

  /** Acknowledges what came, as after a second. */
  ack() {
    if (!this.open || this.#unacked === 0) return;
    this.#unacked = 0;
    this.down.push(JSON.stringify(["sente-lite/ack", this.session.got.length]));
  }

  #take(item, onItem) {
    const s = this.session;
    const id = Array.isArray(item[0]) ? item[0][0] : item[0];
    if (id === "sente-lite/ack") {
      if (!(item[1] >= s.acked && item[1] <= s.written)) throw new Error(`ack ${item[1]}, expected ${s.acked} to ${s.written}`);
      s.acked = item[1];
    } else if (id === "sente-lite/credit") {
      s.credit += item[1];
      this.pump();
    } else if (id === "chsk/ws-ping") this.down.push('["chsk/ws-pong"]');
    if (SILENT.test(id)) return;
    s.got.push(item);
    if (s.window !== undefined && cost1(item) > 0) {
      if (--s.window < 0) throw new Error("the client sent more than its credit");
      if (++this.#used >= this.creditGiven / 2) {
        this.down.push(JSON.stringify(["sente-lite/credit", this.#used]));
        this.#used = 0;
      }
    }
    onItem(item);
    if (++this.#unacked >= 32) this.ack();
  }
}

const cost1 = (item) => (item[0] === "chsk/reply" || FREE.test(Array.isArray(item[0]) ? item[0][0] : item[0]) ? 0 : 1);

/** Has the page's gzip wait for before(), a promise, each time: CompressionStream and DecompressionStream that are slow. */
export function slowGzip(t, before) {
  for (const [name, all] of [["CompressionStream", gzipSync], ["DecompressionStream", gunzipSync]]) {
    const kept = globalThis[name];
    t.after(() => { globalThis[name] = kept; });
    globalThis[name] = class {
      constructor() {
        const parts = [];
        return new TransformStream({
          transform: (part) => void parts.push(part),
          flush: async (out) => {
            await before();
            out.enqueue(new Uint8Array(all(Buffer.concat(parts))));
          },
        });
      }
    };
  }
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
